import type { Event } from '../../model/event';
import { addReading, type WallFollower, wallFollower } from '../clocks/wall-follower';
import { addSequence, type SequenceSet, sequenceSet } from './sequence-set';

/** What is known of one process that logged, or of which others said that it did. */
export interface ProcessLog {
  /** Number of the process in records. */
  readonly id: number;
  readonly process: string;
  readonly instance: string;
  readonly service: string;
  readonly topology: string;
  /** Names of the streams its lines stood in. */
  readonly streams: Set<string>;
  /** Sequence numbers seen of the run. */
  readonly seen: SequenceSet;
  /** Of the run's event with the highest number: its host's clock, then its hybrid one, in milliseconds since 1970; 0 without any. */
  readonly latest: Float64Array;
  /** Sequence numbers seen of the process's own events. */
  readonly own: SequenceSet;
  /** The run's last sequence number as CLOCK and SERVICE_DOWN tell it. */
  lastTold: number;
  /** When the first of them told that. */
  toldAt: string | null;
  /** Events that the process itself counted as dropped, of any run. */
  dropped: number;
  up: Event | null;
  down: Event | null;
  /** Events in which it says what its host's clock is worth, in the order read: CLOCK, of a client also the first and last. */
  readonly clocks: Event[];
  /** TOPOLOGY_CHANGED, and FAULT_INJECTED of the instance itself. */
  readonly changes: Event[];
  readonly faults: Event[];
  /** Its wall clock against its monotonic one. */
  readonly wall: WallFollower;
}

/** Takes in what processes say of themselves; numbers them in the order met. */
export interface ProcessLogs {
  readonly all: readonly ProcessLog[];
  number(process: string, instance: string, service: string, topology: string): number;
  /** An event without a run. False for one that was seen before. */
  take(event: Event): boolean;
}

/**
 * @param run whose sequence numbers count
 * @param most events that are kept of each list of a process: its first and the last ones. @default all
 */
export function processLogs(run: string, most = Number.POSITIVE_INFINITY): ProcessLogs {
  const all: ProcessLog[] = [];
  const numbers = new Map<string, number>();

  const number = (process: string, instance: string, service: string, topology: string): number => {
    const key = JSON.stringify([process, instance, service, topology]);
    const known = numbers.get(key);
    if (known !== undefined) return known;
    const id = all.length;
    all.push({
      id,
      process,
      instance,
      service,
      topology,
      streams: new Set(),
      seen: sequenceSet(),
      latest: new Float64Array(2),
      own: sequenceSet(),
      lastTold: 0,
      toldAt: null,
      dropped: 0,
      up: null,
      down: null,
      clocks: [],
      changes: [],
      faults: [],
      wall: wallFollower(),
    });
    numbers.set(key, id);
    return id;
  };

  const keep = (list: Event[], event: Event): void => {
    if (list.length >= most) list.splice(1, 1);
    list.push(event);
  };

  return {
    all,
    number,
    take(event) {
      const log = all[number(event.process, event.instance, event.service, event.topology)] as ProcessLog;
      if (!addSequence(log.own, event.seq)) return false;
      if (Number.isFinite(event.monotonicUs)) addReading(log.wall, event.monotonicUs, Date.parse(event.timestamp));
      const told = event.runs?.[run];
      if (typeof told === 'number' && Number.isSafeInteger(told) && told > log.lastTold) {
        log.lastTold = told;
        log.toldAt = event.timestamp;
      }
      // A client that is done within a second tells of its clock in SERVICE_UP and SERVICE_DOWN only.
      if (event.event === 'CLOCK' || event.clock) keep(log.clocks, event);
      if (event.event === 'SERVICE_UP') log.up = event;
      else if (event.event === 'SERVICE_DOWN') log.down = event;
      else if (event.event === 'TOPOLOGY_CHANGED') keep(log.changes, event);
      else if (event.event === 'FAULT_INJECTED') keep(log.faults, event);
      else if (event.event === 'LOG_DROPPED' && typeof event.dropped === 'number') log.dropped += event.dropped;
      return true;
    },
  };
}

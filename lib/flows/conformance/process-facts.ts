import type { Event } from '../../model/event';

/** What is known of one process: what it said of itself, and which of the run's events it logged. */
export interface ProcessFacts {
  readonly process: string;
  readonly instance: string;
  readonly service: string;
  up: Event | undefined;
  down: Event | undefined;
  /** Sequence numbers of the run, as met. */
  readonly seqs: number[];
  /** The run's last number, as CLOCK and SERVICE_DOWN tell it. */
  lastTold: number;
  /** Events that a full buffer dropped. */
  dropped: number;
}

export interface Gap {
  readonly facts: ProcessFacts;
  readonly missing: number;
  /** Such as `5, 8-12`, the first few. */
  readonly ranges: string;
}

export function newFacts({ process, instance, service }: Event): ProcessFacts {
  return { process, instance, service, up: undefined, down: undefined, seqs: [], lastTold: 0, dropped: 0 };
}

/** Takes in an event of the process or of the run. */
export function note(facts: ProcessFacts, event: Event, run: string): void {
  if (event.run === run) facts.seqs.push(event.seq);
  if (event.event === 'SERVICE_UP') facts.up = event;
  else if (event.event === 'SERVICE_DOWN') facts.down = event;
  else if (event.event === 'LOG_DROPPED') facts.dropped += event.dropped ?? 0;
  facts.lastTold = Math.max(facts.lastTold, event.runs?.[run] ?? 0);
}

/** More than reading two clocks one after the other takes, and than clocks drift apart: 500 ppm. */
const CLOCK_SLACK_MS = 20;
const CLOCK_DRIFT = 0.0005;

/** Whether the process's wall clock was set off or stepped between its start and the event: its monotonic one tells. */
export function clockMoved({ up }: ProcessFacts, { timestamp, monotonicUs }: Event): boolean {
  if (!up) return false;
  const elapsedMs = (monotonicUs - up.monotonicUs) / 1_000;
  const offMs = Date.parse(timestamp) - Date.parse(up.timestamp) - elapsedMs;
  return Math.abs(offMs) > CLOCK_SLACK_MS + CLOCK_DRIFT * elapsedMs;
}

/** Numbers that are missing in the process's sequence of the run, or undefined where there is no gap. */
export function gapOf(facts: ProcessFacts, lastTold = facts.lastTold): Gap | undefined {
  const { seqs } = facts;
  seqs.sort((a, b) => a - b);
  const ranges: string[] = [];
  let missing = 0;
  let expected = 1;
  for (const seq of [...seqs, lastTold + 1]) {
    if (seq > expected) {
      missing += seq - expected;
      ranges.push(seq - 1 === expected ? `${expected}` : `${expected}-${seq - 1}`);
    }
    expected = Math.max(expected, seq + 1);
  }
  if (missing === 0) return undefined;
  const shown = ranges.slice(0, 5).join(', ') + (ranges.length > 5 ? ', …' : '');
  return { facts, missing, ranges: shown };
}

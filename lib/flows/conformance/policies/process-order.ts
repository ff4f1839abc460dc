import type { Event } from '../../../model/event';
import { NO_RUN } from '../../../model/run-id';

/** Events that may wait for one that is missing before it is taken as lost. */
const HELD_AT_MOST = 20_000;

/** Puts the events of one process in the order in which it logged them, whatever order they come in. */
export interface ProcessOrder {
  add(event: Event): void;
  finish(): void;
  /** Last number of each run that was met. */
  seen(): ReadonlyMap<string, number>;
}

export interface InOrder {
  take(event: Event): void;
  /** Events are missing here. */
  lost(): void;
}

/** The numbers of one run in the process. */
interface Line {
  readonly first: number;
  next: number;
  readonly held: Map<number, Event>;
  last: number;
  /** Stamp of the last one handed on: what is missing has a later one. */
  hlc: string;
  /** A number that nobody has to wait for. */
  optional: number;
}

/**
 * Numbers are without gaps in each run, so that what is missing is known, and the hybrid clock orders the runs of one
 * process among each other. What came before the log at hand begins counts as lost.
 *
 * @param run counts from 1 in every process that it touches
 */
export function processOrder(run: string, { take, lost }: InOrder): ProcessOrder {
  const lines = new Map<string, Line>();
  /** Those that hold events back. */
  const busy = new Set<Line>();
  let waiting = 0;

  const lineOf = ({ run: own, seq }: Event): Line => {
    const known = lines.get(own);
    if (known) return known;
    const first = own === run || lines.get(NO_RUN)?.first === 1 ? 1 : seq;
    if (first > 1) lost();
    const line: Line = { first, next: first, held: new Map(), last: 0, hlc: '', optional: 0 };
    lines.set(own, line);
    return line;
  };

  const handOn = (line: Line, event: Event): void => {
    line.held.delete(event.seq);
    if (line.held.size === 0) busy.delete(line);
    waiting -= 1;
    line.next = event.seq + 1;
    if (event.hlc > line.hlc) line.hlc = event.hlc;
    // The number after a result is that of the answer's end, whose line is written once the answer has left.
    if (event.event === 'RESULT_PRODUCED' && event.spanEvents === undefined) line.optional = line.next;
    take(event);
  };

  /** The next event that nothing missing can come before. */
  const ready = (): readonly [Line, Event] | undefined => {
    let best: readonly [Line, Event] | undefined;
    let bound: string | undefined;
    for (const line of busy) {
      if (line.next === line.optional && !line.held.has(line.next)) line.next += 1;
      const event = line.held.get(line.next);
      if (!event) bound = bound === undefined || line.hlc < bound ? line.hlc : bound;
      else if (!best || event.hlc < best[1].hlc) best = [line, event];
    }
    return best && (bound === undefined || best[1].hlc <= bound) ? best : undefined;
  };

  const handOnReady = (): void => {
    for (let next = ready(); next; next = ready()) handOn(...next);
  };

  /** Gives up what is missing. */
  const handOnAll = (): void => {
    while (busy.size > 0) {
      handOnReady();
      let oldest: Line | undefined;
      for (const line of busy) if (!line.held.has(line.next) && (!oldest || line.hlc < oldest.hlc)) oldest = line;
      if (!oldest) continue;
      oldest.next = nextHeld(oldest);
      lost();
    }
  };

  return {
    add(event) {
      const line = lineOf(event);
      line.last = Math.max(line.last, event.seq);
      if (event.seq < line.first) lost();
      if (event.seq < line.next || line.held.has(event.seq)) return;
      line.held.set(event.seq, event);
      busy.add(line);
      waiting += 1;
      handOnReady();
      if (waiting > HELD_AT_MOST) handOnAll();
    },
    finish: handOnAll,
    seen: () => new Map(Array.from(lines, ([name, { last }]) => [name, last])),
  };
}

/** Gaps are short, or so long that looking at each number would take forever. */
const SHORT_GAP = 1_000;

function nextHeld({ next, held }: Line): number {
  for (let seq = next; seq < next + SHORT_GAP; seq++) if (held.has(seq)) return seq;
  return Math.min(...held.keys());
}

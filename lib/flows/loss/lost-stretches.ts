import { WORD, wallMillis } from '../events/event-record';
import { eachRecord } from '../events/event-store';
import type { ProcessLog } from '../events/process-log';
import { type Gap, sequenceGaps } from '../events/sequence-set';
import { isLater, type LastNumbers } from './process-losses';

/** Lost events of one process that lie together in its sequence. Times are its host's raw clock; JSON. */
export interface LostStretch {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** All from the first to the last; fewer only where there are too many gaps to tell each. */
  readonly lost: number;
  /** The event before it, and the one after it; null where nothing tells. */
  readonly after: string | null;
  readonly before: string | null;
}

/** When a process lost what it lost. */
export interface LossTimes {
  /** Lost events of the run's requests, in order; the closest gaps are told as one beyond `MOST_STRETCHES`. */
  readonly stretches: readonly LostStretch[];
  /** Lost events of the process itself: CLOCK and the like. */
  readonly ownStretches: readonly LostStretch[];
  /** Of a process that ended without a word: its last event, and when the next process of its instance began. */
  readonly tail: { readonly after: string | null; readonly before: string | null } | null;
}

/** Finds the times of gaps while records go by. */
export interface LossTimer {
  add(words: Int32Array): void;
  /** By number of the process; those that lost nothing are not in it. */
  finish(): ReadonlyMap<number, LossTimes>;
}

export const MOST_STRETCHES = 100;

/** @param startTime when the run began, by its driver's clock */
export function lossTimer(
  processes: readonly ProcessLog[],
  lastNumbers: LastNumbers,
  startTime: string | undefined,
): LossTimer {
  const losing = processes.flatMap((log) => {
    const last = lastNumbers(log);
    const gaps = gapsOf(log, last.seq);
    const successor = successorOf(log, processes);
    const crashed = log.down === null && successor !== undefined;
    const own = log.own.last > log.own.size ? ownStretches(log) : [];
    return gaps.length > 0 || crashed || own.length > 0
      ? [{ log, last, gaps, successor: crashed ? successor : null, own }]
      : [];
  });
  const wanted: (Map<number, number> | undefined)[] = processes.map(() => undefined);
  for (const { log, gaps } of losing) {
    const edges = gaps.flatMap(({ firstSeq, lastSeq }) => [firstSeq - 1, lastSeq + 1]);
    wanted[log.id] = new Map([...edges, log.seen.last].map((seq) => [seq, Number.NaN]));
  }

  return {
    add(words) {
      if (losing.length === 0) return;
      eachRecord(words, (record) => {
        const times = wanted[words[record + WORD.ORIGIN] as number];
        const seq = (words[record + WORD.SEQ] as number) >>> 0;
        if (times?.has(seq)) times.set(seq, wallMillis(words, record));
      });
    },
    finish() {
      const found = new Map<number, LossTimes>();
      for (const { log, last, gaps, successor, own } of losing) {
        const at = (seq: number): string | null => isoTime(wanted[log.id]?.get(seq));
        const stretches = gaps.map(
          (gap): LostStretch => ({
            ...gap,
            after: gap.firstSeq === 1 ? latest(log.up?.timestamp, startTime) : at(gap.firstSeq - 1),
            before: gap.lastSeq === last.seq ? last.toldAt : at(gap.lastSeq + 1),
          }),
        );
        const lastWord = latest(at(log.seen.last) ?? undefined, log.clocks.at(-1)?.timestamp, log.up?.timestamp);
        const tail = successor ? { after: lastWord, before: successor.timestamp } : null;
        found.set(log.id, { stretches, ownStretches: own, tail });
      }
      return found;
    },
  };
}

/** What of a process's events of the run is lost, up to the last number known. */
export function gapsOf({ seen }: ProcessLog, lastSeq: number): readonly Stretch[] {
  return lastSeq > seen.size ? joined(sequenceGaps(seen, 1, lastSeq)) : [];
}

type Stretch = Pick<LostStretch, 'firstSeq' | 'lastSeq' | 'lost'>;

/** Gaps as stretches; while there are too many, those next to each other become one. */
function joined(gaps: Iterable<Gap>): readonly Stretch[] {
  let list: Stretch[] = [];
  let apart = 0;
  const add = (into: Stretch[], next: Stretch): void => {
    const before = into[into.length - 1];
    if (!before || next.firstSeq - before.lastSeq - 1 > apart) into.push(next);
    else into[into.length - 1] = { ...before, lastSeq: next.lastSeq, lost: before.lost + next.lost };
  };
  const thinOut = (): void => {
    while (list.length > MOST_STRETCHES) {
      apart = 2 * apart + 1;
      const closer: Stretch[] = [];
      for (const stretch of list) add(closer, stretch);
      list = closer;
    }
  };
  for (const { from, to } of gaps) {
    add(list, { firstSeq: from, lastSeq: to, lost: to - from + 1 });
    if (list.length > 2 * MOST_STRETCHES) thinOut();
  }
  thinOut();
  return list;
}

/** A log may begin in the middle of a process's life: what lies before its first own event is no loss. */
function ownStretches({ own, up, down, clocks }: ProcessLog): readonly LostStretch[] {
  const events = [...(up ? [up] : []), ...clocks, ...(down ? [down] : [])].sort((a, b) => a.seq - b.seq);
  const gaps = [...sequenceGaps(own, 1, own.last)].filter(({ from }) => from > 1);
  return joined(gaps).map((gap) => ({
    ...gap,
    after: events.filter(({ seq }) => seq < gap.firstSeq).at(-1)?.timestamp ?? null,
    before: events.find(({ seq }) => seq > gap.lastSeq)?.timestamp ?? null,
  }));
}

/** SERVICE_UP of the process that took the instance's place first. */
function successorOf(log: ProcessLog, processes: readonly ProcessLog[]): ProcessLog['up'] | undefined {
  const later = processes.filter(
    (other) => other.id !== log.id && other.instance === log.instance && isLater(other, log.up),
  );
  return later.map(({ up }) => up).sort((a, b) => ((a?.timestamp ?? '') < (b?.timestamp ?? '') ? -1 : 1))[0];
}

/** Timestamps sort as text. */
function latest(...times: readonly (string | undefined)[]): string | null {
  return times.reduce<string | null>((last, time) => (time !== undefined && time > (last ?? '') ? time : last), null);
}

function isoTime(ms: number | undefined): string | null {
  return ms === undefined || Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

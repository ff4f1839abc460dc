import { hlcMillis, WORD } from '../events/event-record';
import { eachRecord } from '../events/event-store';
import type { ProcessLog } from '../events/process-log';
import type { RunEvents } from '../events/read-events';
import { gapsOf } from './lost-stretches';
import type { LastNumbers } from './process-losses';

/** Between which times a process's log may lack events: by the hybrid clock, in milliseconds since 1970. */
export interface LogHole {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Holes of each process's log, by its number. Sequence numbers tell of those within; what a process logged last is in
 * doubt unless it says that it stopped. The hybrid clock knows no step, and no receipt is before its sending by it.
 */
export function logHoles(
  { processes, store }: Pick<RunEvents, 'processes' | 'store'>,
  lastNumber: LastNumbers,
): readonly (readonly LogHole[])[] {
  const stretches = processes.map((log) => gapsOf(log, lastNumber(log).seq));
  const edges = stretches.map(
    (own) =>
      new Map(own.flatMap(({ firstSeq, lastSeq }) => [firstSeq - 1, lastSeq + 1]).map((seq) => [seq, Number.NaN])),
  );
  if (edges.some(({ size }) => size > 0)) {
    for (let part = 0; part < store.parts; part++) {
      const words = store.part(part);
      eachRecord(words, (record) => {
        const own = edges[words[record + WORD.ORIGIN] as number];
        const seq = (words[record + WORD.SEQ] as number) >>> 0;
        if (own?.has(seq)) own.set(seq, hlcMillis(words, record));
      });
    }
  }
  return processes.map((log, id) => {
    const at = (seq: number, otherwise: number): number => edges[id]?.get(seq) || otherwise;
    const within = (stretches[id] ?? []).map(({ firstSeq, lastSeq }) => ({
      fromMs: at(firstSeq - 1, 0),
      toMs: at(lastSeq + 1, Number.POSITIVE_INFINITY),
    }));
    return log.down === null ? [...within, { fromMs: lastHeardMs(log), toMs: Number.POSITIVE_INFINITY }] : within;
  });
}

/** The last that a process's log tells, by the hybrid clock. */
function lastHeardMs({ latest, clocks, up }: ProcessLog): number {
  const own = [...clocks, ...(up ? [up] : [])].map(({ hlc }) => Number.parseInt(hlc.slice(0, 12), 16));
  return own.reduce((last, ms) => Math.max(last, ms), latest[1] as number);
}

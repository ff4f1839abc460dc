import { type SequenceSet, sequenceSet } from './sequence-set';

/**
 * What may be wrong with lines that lose nothing, or only themselves:
 * - `repeated`: the event stood earlier in the same stream
 * - `copied`: the event stood in another stream
 * - `out-of-order`: an event of the same process with a higher number stood before it
 * - `foreign`: the line is no event
 * - `half-written`: the line breaks off
 * - `unknown-kind`: an event of the run, of a kind that this version does not know
 */
export const IRREGULARITIES = [
  'repeated',
  'copied',
  'out-of-order',
  'foreign',
  'half-written',
  'unknown-kind',
] as const;
export type Irregularity = (typeof IRREGULARITIES)[number];

/** Lines of one kind that one stream holds of one process, and between which times by its host's clock they lie. */
export interface IrregularLines {
  lines: number;
  fromMs: number;
  toMs: number;
}

/** What one stream holds of one process. */
export interface StreamShare {
  readonly stream: string;
  /** As its events name it; what breaks off is told of the process whose line stood before, or else of nobody. */
  readonly instance: string | null;
  readonly process: string | null;
  /** Other streams that held events of the process before this one was read. */
  readonly after: readonly string[];
  /** Lines of the process that are events, repeated and copied ones too. */
  lines: number;
  readonly irregular: Map<Irregularity, IrregularLines>;
  /** Highest number so far, of the run and of the process's own events. */
  lastSeq: number;
  lastOwnSeq: number;
  /** Numbers in this stream, where an earlier one held the process too; null in the first one, which has them all. */
  readonly seen: { readonly run: SequenceSet; readonly own: SequenceSet } | null;
}

export function streamShare(
  stream: string,
  process: { readonly instance: string; readonly process: string } | null,
  after: readonly string[],
): StreamShare {
  return {
    stream,
    instance: process?.instance ?? null,
    process: process?.process ?? null,
    after,
    lines: 0,
    irregular: new Map(),
    lastSeq: 0,
    lastOwnSeq: 0,
    seen: after.length > 0 ? { run: sequenceSet(), own: sequenceSet() } : null,
  };
}

/** @param atMs by the host's clock; NaN where nothing tells */
export function noteIrregular({ irregular }: StreamShare, kind: Irregularity, atMs: number): void {
  const known = irregular.get(kind);
  if (!known) {
    irregular.set(kind, { lines: 1, fromMs: atMs, toMs: atMs });
    return;
  }
  known.lines += 1;
  if (!(known.fromMs <= atMs)) known.fromMs = Number.isNaN(atMs) ? known.fromMs : atMs;
  if (!(known.toMs >= atMs)) known.toMs = Number.isNaN(atMs) ? known.toMs : atMs;
}

/** Irregular lines as the report has them; JSON. */
export interface IrregularSummary {
  readonly kind: Irregularity;
  readonly stream: string;
  /** Null where no line of the stream said whose it is. */
  readonly instance: string | null;
  readonly process: string | null;
  readonly lines: number;
  /** By the host's clock; null where no line told of a time. */
  readonly from: string | null;
  readonly to: string | null;
  /** Of copied lines: the streams that were read before, and whether all that this one has of the process is there too. */
  readonly copyOf?: readonly string[];
  readonly whole?: boolean;
}

export function irregularSummaries(shares: readonly StreamShare[]): readonly IrregularSummary[] {
  return shares.flatMap(({ stream, instance, process, after, lines: all, irregular }) =>
    IRREGULARITIES.flatMap((kind): readonly IrregularSummary[] => {
      const found = irregular.get(kind);
      if (!found) return [];
      const { lines, fromMs, toMs } = found;
      const copy = kind === 'copied' ? { copyOf: after, whole: lines === all } : {};
      return [{ kind, stream, instance, process, lines, from: isoTime(fromMs), to: isoTime(toMs), ...copy }];
    }),
  );
}

function isoTime(ms: number): string | null {
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

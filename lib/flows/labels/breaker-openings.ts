import type { Decision } from '../../model/event';
import type { Breaker } from '../../model/resilience';
import { stepsWithin } from '../../model/resolve';
import type { Topologies } from '../conformance/topologies';
import { extraOf, FLAG, flagsOf, hexOf, KIND, kindOf, NONE, statusOf, WORD, wallMillis } from '../events/event-record';
import { eachRecord } from '../events/event-store';
import type { Run } from '../read-run';

/** One time that a breaker opened, with the failures that opened it. */
export interface Opening {
  /** Number of the process. */
  readonly origin: number;
  /** The service that it spares, and its settings as text: calls of a process with the same of both share a breaker. */
  readonly breaker: string;
  readonly settings: Breaker;
  readonly seq: number;
  /** By the wall clock of its host. */
  readonly wallMs: number;
  readonly figures: Decision;
  /** It was half open: a probe failed. */
  readonly probing: boolean;
  /** The last failures before it, as many as it was opened by; by sequence number. */
  readonly failures: FailedAttempt[];
}

export interface FailedAttempt {
  readonly seq: number;
  readonly traceId: string;
  readonly requestId: string;
  readonly step: string;
  readonly repetition: number;
  readonly attempt: number;
}

/** More failures than these are not held for one opening: what opened it is then not known. */
export const MOST_FAILURES = 1_000;

/** Which breaker a call's events concern; undefined where its step states none. */
export type BreakerOf = (
  service: string,
  epoch: number,
  endpoint: string,
  step: string,
) => { readonly breaker: string; readonly settings: Breaker } | undefined;

export function breakersOf(topologies: Topologies): BreakerOf {
  const known = new Map<string, ReturnType<BreakerOf>>();
  return (service, epoch, endpoint, id) => {
    const key = `${service} ${epoch} ${endpoint} ${id}`;
    if (!known.has(key)) {
      const { steps = [] } = topologies.at(service, epoch)?.service.endpoints[endpoint] ?? {};
      for (const step of stepsWithin(steps)) {
        if (step.id !== id || (step.kind !== 'call' && step.kind !== 'send') || !step.breaker) continue;
        known.set(key, { breaker: `${step.service} ${JSON.stringify(step.breaker)}`, settings: step.breaker });
      }
      if (!known.has(key)) known.set(key, undefined);
    }
    return known.get(key);
  };
}

/**
 * Finds every opening of a breaker in a run, in the order in which each process made them, and with each the failures
 * before it. Goes through the records twice; what is kept is those failures alone.
 */
export function breakerOpenings(
  { events: { store, names, processes } }: Run,
  breakerOf: BreakerOf,
): readonly Opening[] {
  const changes = new Map<string, (Opening | { readonly seq: number; readonly halfOpen: boolean })[]>();
  const text = (words: Int32Array, at: number): string =>
    (words[at] as number) === NONE ? '' : (names.texts[words[at] as number] ?? '');
  const concerned = (words: Int32Array, record: number) =>
    breakerOf(
      processes[words[record + WORD.ORIGIN] as number]?.service ?? '',
      words[record + WORD.EPOCH] as number,
      text(words, record + WORD.ENDPOINT),
      text(words, record + WORD.STEP),
    );
  const each = (visit: (words: Int32Array, record: number, kind: number) => void): void => {
    for (let part = 0; part < store.parts; part++) {
      const words = store.part(part);
      eachRecord(words, (record) => visit(words, record, kindOf(words[record] as number)));
    }
  };

  each((words, record, kind) => {
    if (kind < KIND.BREAKER_OPENED || kind > KIND.BREAKER_CLOSED) return;
    const own = concerned(words, record);
    if (!own) return;
    const origin = words[record + WORD.ORIGIN] as number;
    const key = `${origin} ${own.breaker}`;
    const seq = words[record + WORD.SEQ] as number;
    const list = changes.get(key) ?? [];
    changes.set(key, list);
    if (kind !== KIND.BREAKER_OPENED) list.push({ seq, halfOpen: kind === KIND.BREAKER_HALF_OPENED });
    else {
      const figures = extraOf(words, record).decision ?? {};
      const wallMs = wallMillis(words, record);
      list.push({ ...own, origin, seq, wallMs, figures, probing: false, failures: [] });
    }
  });
  const openings = new Map<string, Opening[]>();
  for (const [key, list] of changes) {
    list.sort((a, b) => a.seq - b.seq);
    const own = list.flatMap((change, index) => {
      if (!('figures' in change)) return [];
      const before = list[index - 1];
      return [{ ...change, probing: before !== undefined && 'halfOpen' in before && before.halfOpen }];
    });
    openings.set(key, own);
  }
  if (openings.size === 0) return [];

  each((words, record, kind) => {
    const meta = words[record] as number;
    const failed = kind === KIND.ERROR || (kind === KIND.RESPONSE_RECEIVED && statusOf(meta) >= 500);
    if (!failed || (flagsOf(meta) & FLAG.CALL) === 0) return;
    const error = kind === KIND.ERROR ? extraOf(words, record).error : undefined;
    if (kind === KIND.ERROR && (!error || SAYS_NOTHING.has(error.kind))) return;
    const own = concerned(words, record);
    const list = own && openings.get(`${words[record + WORD.ORIGIN] as number} ${own.breaker}`);
    if (!list) return;
    const seq = words[record + WORD.SEQ] as number;
    const opening = list[after(list, seq)];
    if (!opening) return;
    insert(opening, {
      seq,
      traceId: hexOf(words, record + WORD.TRACE, 4),
      requestId: hexOf(words, record + WORD.REQUEST, 2),
      step: text(words, record + WORD.STEP),
      repetition: words[record + WORD.REPETITION] as number,
      attempt: (words[record + WORD.ATTEMPT] as number) >> 16,
    });
  });

  return [...openings.values()].flat();
}

/** A breaker does not count these. */
const SAYS_NOTHING: ReadonlySet<string> = new Set(['BREAKER_OPEN', 'BULKHEAD_FULL', 'CANCELLED', 'CLIENT_GONE']);

/** How many failures an opening rests on. */
export function neededFailures({ figures: { failures = 1, windowFailures = 0 } }: Opening): number {
  return Math.max(failures, windowFailures);
}

/** The index of the first opening with a higher sequence number. */
function after(list: readonly Opening[], seq: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle] as Opening).seq > seq) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Keeps the latest. */
function insert(opening: Opening, failure: FailedAttempt): void {
  const { failures } = opening;
  const most = Math.min(MOST_FAILURES, neededFailures(opening));
  if (failures.length === most && failure.seq < (failures[0] as FailedAttempt).seq) return;
  let at = failures.length;
  while (at > 0 && (failures[at - 1] as FailedAttempt).seq > failure.seq) at--;
  failures.splice(at, 0, failure);
  if (failures.length > most) failures.shift();
}

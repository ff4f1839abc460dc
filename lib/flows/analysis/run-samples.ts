import { hashText } from '../../model/draw';
import { extraOf, hexOf, KIND, kindOf, NONE, statusOf, WORD } from '../events/event-record';
import type { Run } from '../read-run';
import type { CallNode, SpanNode } from '../rebuild/span-node';
import { callDurationMs } from '../rebuild/span-times';
import { seededUniform, type Uniform } from './bootstrap';
import { flowDurationMs, hasFailed, spanFailed } from './statistics';

/** Durations of one endpoint or edge in a run. */
export interface Series {
  readonly kind: 'flows' | 'endpoint' | 'edge';
  readonly name: string;
  count: number;
  errors: number;
  /** An even choice of the durations, all of them while they are few. */
  readonly sample: number[];
}

export interface RunSamples {
  readonly series: ReadonlyMap<string, Series>;
  /** Duration of each flow by its key, for the first ones; a key that came twice is left out (NaN). */
  readonly byKey: ReadonlyMap<string, number>;
}

const SAMPLE = 4_000;
const MOST_KEYS = 200_000;

/** Goes through a run's flows once and keeps what two runs are compared by, in bounded memory. */
export function runSamples(run: Run): RunSamples {
  const { names, processes } = run.events;
  const series = new Map<string, Series>();
  const byKey = new Map<string, number>();
  const uniforms = new Map<Series, Uniform>();
  const textOf = (number: number | undefined): string => names.texts[number ?? NONE] ?? '?';

  const add = (kind: Series['kind'], name: string, ms: number, failed: boolean): void => {
    const key = `${kind} ${name}`;
    let own = series.get(key);
    if (!own) {
      own = { kind, name, count: 0, errors: 0, sample: [] };
      series.set(key, own);
      uniforms.set(own, seededUniform(hashText(key).high ^ hashText(run.run).low));
    }
    if (failed) own.errors += 1;
    if (Number.isNaN(ms)) return;
    own.count += 1;
    // Reservoir sampling (Vitter's algorithm R).
    if (own.sample.length < SAMPLE) own.sample.push(ms);
    else {
      const slot = Math.floor((uniforms.get(own) as Uniform)() * own.count);
      if (slot < SAMPLE) own.sample[slot] = ms;
    }
  };

  for (const { table, flows } of run.batches()) {
    const { words } = table;
    const addCall = (call: CallNode): void => {
      const record = call.sent >= 0 ? call.sent : call.ended;
      if (record < 0 || call.caller.inferred || call.caller.isClient) return;
      const caller = processes[call.caller.origin]?.service ?? '?';
      const failed =
        call.ended >= 0 &&
        (kindOf(words[call.ended] as number) === KIND.ERROR || statusOf(words[call.ended] as number) >= 500);
      add('edge', `${caller} -> ${textOf(words[record + WORD.CALLEE])}`, callDurationMs(table, call), failed);
    };
    const addSpan = (span: SpanNode): void => {
      if (span.inferred || span.isClient) return;
      const endpoint = textOf(words[span.record + WORD.ENDPOINT]);
      add('endpoint', `${processes[span.origin]?.service} ${endpoint}`, span.durationMs, spanFailed(span));
    };
    for (const flow of flows) {
      const ms = flowDurationMs(flow, table);
      add('flows', 'all flows', ms, hasFailed(flow));
      const { root } = flow;
      const own = root.received >= 0 ? extraOf(words, root.received).key : undefined;
      const key = own ?? hexOf(words, root.record + WORD.TRACE, 4);
      if (byKey.has(key)) byKey.set(key, Number.NaN);
      else if (byKey.size < MOST_KEYS) byKey.set(key, ms);
      const stack: SpanNode[] = [root, ...flow.orphans];
      for (let span = stack.pop(); span !== undefined; span = stack.pop()) {
        addSpan(span);
        for (const call of span.calls) {
          addCall(call);
          if (call.child) stack.push(call.child);
        }
        for (const child of span.queued) stack.push(child);
      }
    }
  }
  return { series, byKey };
}

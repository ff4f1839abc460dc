import type { Flow } from '../flow';
import { decisionText } from './decision-text';
import { type FlowStep, flowSteps } from './flow-steps';
import { orderMark } from './order-mark';

/** More than fits a page, and what renderers still draw. */
const MOST_MESSAGES = 400;

/**
 * A flow as a Mermaid sequence diagram: https://mermaid.js.org/syntax/sequenceDiagram.html. Instances are participants;
 * whole arrows are requests, dashed ones answers, crosses failures, open ones `send`s. Notes: faults, what policies
 * decided, what is inferred, and order that is within the clocks' error.
 */
export function mermaid(flow: Flow): string {
  const steps = flowSteps(flow);
  const ids = new Map<string, string>();
  for (const { instance, peer, kind } of steps) {
    for (const name of [instance, ...(kind === 'failed' || kind === 'send' ? [peer] : [])]) {
      if (name !== null && !ids.has(name)) ids.set(name, `p${ids.size + 1}`);
    }
  }
  const id = (name: string | null): string => ids.get(name ?? '') ?? '';
  const lines = ['sequenceDiagram', ...Array.from(ids, ([name, at]) => `  participant ${at} as ${text(name)}`)];
  const received = new Set(steps.flatMap(({ after }) => (after?.kind === 'send' ? [after] : [])));
  let messages = 0;
  for (const step of steps) {
    const told = messages < MOST_MESSAGES ? linesOf(step, id, received) : [];
    messages += 1;
    lines.push(...told.map((line) => `  ${line}`));
  }
  if (messages > MOST_MESSAGES && ids.size > 0) {
    lines.push(`  Note over p1: ${messages - MOST_MESSAGES} more steps are left out`);
  }
  return `${lines.join('\n')}\n`;
}

function linesOf(step: FlowStep, id: (name: string | null) => string, received: ReadonlySet<FlowStep>): string[] {
  const { kind, instance, peer, span, call, after, fault, decision } = step;
  const own = id(instance);
  switch (kind) {
    case 'send':
      // A request that was received is drawn at its receipt.
      return received.has(step) ? [] : [`${own}-)${id(peer)}: ${text(`${call?.callee ?? '?'}${retry(step)}`)}`];
    case 'receive': {
      const request = after
        ? [`${id(after.instance)}->>${own}: ${text(`${span?.endpoint ?? '?'}${retry(after)}`)}`]
        : [];
      return [...request, ...marks(step, own)];
    }
    case 'work':
      return [`${own}-)${own}: ${text(`queued ${span?.endpoint ?? '?'}`)}`, ...marks(step, own)];
    case 'answered':
      return after
        ? [`${id(after.instance)}-->>${own}: ${call?.status}`]
        : [`Note over ${own}: ${text(`answer ${call?.status} of ${peer}`)}`];
    case 'failed':
      return [`${own}-x${id(peer)}: ${text(`${call?.error?.kind ?? 'failed'} ${call?.error?.message ?? ''}`)}`];
    case 'done':
      return [`Note over ${own}: ${text(`work done ${span?.status ?? '?'}`)}`];
    case 'fault':
      return [`Note over ${own}: ${text(`fault ${fault?.type ?? '?'}`)}`];
    case 'decision':
      return decision ? [`Note over ${own}: ${text(decisionText(decision))}`] : [];
    case 'answer':
      return [];
    default:
      return kind satisfies never;
  }
}

function marks({ span }: FlowStep, own: string): string[] {
  if (!span) return [];
  const { order, uncertaintyMs } = orderMark(span);
  const notes = [
    ...(span.inferred
      ? [`inferred from ${span.inferredFrom === 'topology' ? 'the topology' : 'its caller'}`]
      : span.complete
        ? []
        : ['events lost']),
    ...(order === 'within-clock-error' ? [`order within clock error ${uncertaintyMs ?? ''}`.trim()] : []),
  ];
  return notes.map((note) => `Note over ${own}: ${text(note)}`);
}

function retry({ call }: FlowStep): string {
  const attempt = call?.attempt ?? 1;
  return attempt > 1 ? ` (attempt ${attempt})` : '';
}

/** Characters that mean something to Mermaid, or to the HTML it makes, stand as its entity codes. */
function text(raw: string): string {
  const short = raw.length > 120 ? `${raw.slice(0, 119)}…` : raw;
  const escaped = short
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .trim()
    .replaceAll(/[#;:<>&"'`%{}[\]\\|]/g, (character) => `#${character.charCodeAt(0)};`)
    .replaceAll(/\b(end|as)\b/gi, (word) => `#${word.charCodeAt(0)};${word.slice(1)}`);
  return escaped === '' ? '?' : escaped;
}

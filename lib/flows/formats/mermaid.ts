import type { Flow, OrderedEvent, Ordering } from '../flow';
import { decisionText } from './decision-text';
import { type FlowStep, flowSteps } from './flow-steps';
import { openOrderings, openPairTexts } from './open-orderings';

/** More than fits a page, and what renderers still draw. */
const MOST_MESSAGES = 400;

/**
 * A flow as a Mermaid sequence diagram: https://mermaid.js.org/syntax/sequenceDiagram.html. Instances are participants;
 * whole arrows are requests, dashed ones answers, crosses failures, open ones `send`s. Notes: faults, what policies
 * decided, what is inferred, and between which two instances an order is within the clocks' error.
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
  const context = { id, received, open: openOrderings(flow) };
  let messages = 0;
  for (const step of steps) {
    const told = messages < MOST_MESSAGES ? linesOf(step, context) : [];
    messages += 1;
    lines.push(...told.map((line) => `  ${line}`));
  }
  if (messages > MOST_MESSAGES && ids.size > 0) {
    lines.push(`  Note over p1: ${messages - MOST_MESSAGES} more steps are left out`);
  }
  return `${lines.join('\n')}\n`;
}

interface Context {
  readonly id: (name: string | null) => string;
  /** Sendings that are drawn at their receipt. */
  readonly received: ReadonlySet<FlowStep>;
  readonly open: ReadonlyMap<string, readonly Ordering[]>;
}

function linesOf(step: FlowStep, context: Context): string[] {
  const { id, received } = context;
  const { kind, instance, peer, span, call, after, fault, decision } = step;
  const own = id(instance);
  switch (kind) {
    case 'send':
      return received.has(step) ? [] : [`${own}-)${id(peer)}: ${text(`${call?.callee ?? '?'}${retry(step)}`)}`];
    case 'receive': {
      const request = after
        ? [`${id(after.instance)}->>${own}: ${text(`${span?.endpoint ?? '?'}${retry(after)}`)}`]
        : [];
      return [...request, ...lossNotes(step, own), ...orderNotes(step, 'start', context)];
    }
    case 'work':
      return [
        `${own}-)${own}: ${text(`queued ${span?.endpoint ?? '?'}`)}`,
        ...lossNotes(step, own),
        ...orderNotes(step, 'start', context),
      ];
    case 'answered':
      return after
        ? [`${id(after.instance)}-->>${own}: ${call?.status}`]
        : [`Note over ${own}: ${text(`answer ${call?.status} of ${peer}`)}`];
    case 'failed':
      return [`${own}-x${id(peer)}: ${text(`${call?.error?.kind ?? 'failed'} ${call?.error?.message ?? ''}`)}`];
    case 'done':
      return [`Note over ${own}: ${text(`work done ${span?.status ?? '?'}`)}`, ...orderNotes(step, 'end', context)];
    case 'fault':
      return [`Note over ${own}: ${text(`fault ${fault?.type ?? '?'}`)}`];
    case 'decision':
      return decision ? [`Note over ${own}: ${text(decisionText(decision))}`] : [];
    case 'answer':
      return orderNotes(step, 'end', context);
    default:
      return kind satisfies never;
  }
}

function lossNotes({ span }: FlowStep, own: string): string[] {
  if (!span || (span.complete && !span.inferred)) return [];
  const note = span.inferred
    ? `inferred from ${span.inferredFrom === 'topology' ? 'the topology' : 'its caller'}`
    : 'events lost';
  return [`Note over ${own}: ${text(note)}`];
}

/** Over both instances, where the later one of the two events stands. */
function orderNotes({ span, instance }: FlowStep, at: OrderedEvent['at'], { id, open }: Context): string[] {
  const own = id(instance);
  return (open.get(span?.requestId ?? '') ?? [])
    .filter(({ second }) => second.at === at)
    .map((ordering) => {
      const other = id(ordering.first.instance);
      const lines = openPairTexts(ordering).map((line) => text(line));
      return `Note over ${other === '' || other === own ? own : `${other},${own}`}: ${lines.join('<br/>')}`;
    });
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

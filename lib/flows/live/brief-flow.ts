import { parseCallee } from '../../model/callee';
import { eachSpan } from '../clocks/run-clocks';
import { errorOf, identityOf, type Naming, textAt } from '../describe/span-identity';
import { extraOf, WORD } from '../events/event-record';
import type { CallNode, FlowNode, SpanNode } from '../rebuild/span-node';

/** What a flow's line tells of it: a description of the whole flow costs ten times as much. */
export interface FlowBrief {
  /** Of the root. */
  readonly service: string;
  readonly endpoint: string | null;
  /** Kinds of errors and faults in it, each with the instance that they were seen at, and how often where more than once. */
  readonly troubles: readonly string[];
}

export function briefFlow(flow: FlowNode, naming: Naming): FlowBrief {
  const { service, endpoint } = identityOf(flow.root, naming);
  return { service, endpoint, troubles: troublesOf(flow, naming) };
}

function troublesOf({ client, root, orphans }: FlowNode, naming: Naming): readonly string[] {
  const { words } = naming.table;
  const counts = new Map<string, number>();
  const note = (text: string): void => {
    counts.set(text, (counts.get(text) ?? 0) + 1);
  };
  const visit = (span: SpanNode): void => {
    const error = errorOf(span, words);
    if (error) note(`${error.kind} ${span.isClient ? 'client' : identityOf(span, naming).instance}`);
    if (span.isClient) return;
    for (const record of span.faults) {
      note(`fault ${extraOf(words, record).fault?.type ?? '?'} ${identityOf(span, naming).instance}`);
    }
    for (const call of span.calls) {
      const kind = call.child === null && call.ended >= 0 ? extraOf(words, call.ended).error?.kind : undefined;
      if (kind !== undefined) note(`${kind} ${serviceOf(call, naming) ?? '?'}`);
    }
  };
  if (client && client !== root) visit(client);
  for (const top of [root, ...orphans]) eachSpan(top, visit);
  return Array.from(counts, ([text, times]) => (times > 1 ? `${text} x${times}` : text));
}

/** Whether the service took part; the client does as `client`. */
export function takesPart({ client, root, orphans }: FlowNode, service: string, naming: Naming): boolean {
  let found = false;
  for (const top of [client ?? root, root, ...orphans]) {
    eachSpan(top, (span) => {
      found ||= identityOf(span, naming).service === service;
    });
  }
  return found;
}

function serviceOf({ sent, ended }: CallNode, { table: { words }, names }: Naming): string | undefined {
  for (const record of [ended, sent]) {
    const callee = record >= 0 ? textAt(words, names, record + WORD.CALLEE) : null;
    if (callee !== null) return parseCallee(callee).service;
  }
  return undefined;
}

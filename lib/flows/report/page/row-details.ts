import { el, msText } from './dom';
import { openTexts } from './open-orders';
import type { WaterfallRow } from './waterfall-rows';

/** What a row of the waterfall tells when it is opened. */
export function detailRow({ span, call, open, faults }: WaterfallRow): HTMLElement {
  const clock = (at: number): string => new Date(at).toISOString().slice(11, 23);
  const facts: (readonly [string, string | null | undefined])[] = [
    ['Request id', span?.requestId],
    ['Instance', span ? `${span.instance}${span.process ? `, process ${span.process}` : ''}` : call?.peer],
    ['Received through', span?.via],
    ['Starts', span ? msText(span.offsetMs) : null],
    ["Host's own time", span && !span.inferred ? clock(span.rawAt) : null],
    ['Moved by', span && span.correctionMs !== 0 ? msText(span.correctionMs) : null],
    ['Clock known to', span && span.uncertaintyMs !== null ? `± ${msText(span.uncertaintyMs)}` : null],
    ['Order between hosts', span?.order === 'proved' && open.length === 0 ? 'proved' : null],
    ...(span ? openTexts(span, open) : []).map((text) => ['Within clock error', text] as const),
    ['Own time', span && span.selfMs !== null ? msText(span.selfMs) : null],
    ['Error', span?.error ? `${span.error}: ${span.message ?? ''}` : null],
    ['Step', call?.step],
    ['Attempt', call?.attempt ? `${call.attempt}${call.reconnect > 0 ? `, reconnect ${call.reconnect}` : ''}` : null],
    [
      'As the caller saw it',
      call
        ? `${call.error ? `${call.error}: ${call.message ?? ''}` : (call.status ?? 'no answer')} after ${msText(call.durationMs)}`
        : null,
    ],
    ['Bytes received', call?.bytes?.toLocaleString('en')],
    ...faults.map(({ text }) => ['Fault', text] as const),
    ...(span?.decisions ?? []).map((decision) => ['Decided', decision] as const),
  ];
  const list = el(
    'dl',
    { class: 'details' },
    ...facts.flatMap(([name, value]) => (value ? [el('div', {}, el('dt', {}, name), el('dd', {}, value))] : [])),
  );
  return el('tr', { class: 'more', role: 'row' }, el('td', { colspan: 4, role: 'gridcell' }, list));
}

import { announce, byId, el, msText, plural, svgEl } from './dom';
import type { IndexedFlow } from './flow-index';
import { type WaterfallRow, waterfallRows } from './waterfall-rows';

/** More rows than anyone reads, and what a browser lays out at once. */
const MOST_ROWS = 2000;

export interface FlowDialog {
  open(indexed: IndexedFlow): void;
  readonly isOpen: boolean;
  close(): void;
}

/** A flow's waterfall, over the page. Arrows move through its rows, Enter tells more of one, Escape goes back. */
export function flowDialog(onClose: () => void): FlowDialog {
  const dialog = byId<HTMLDialogElement>('flow');
  dialog.addEventListener('close', onClose);
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  return {
    open(indexed) {
      dialog.replaceChildren(...content(indexed, () => dialog.close()));
      if (!dialog.open) dialog.showModal();
      dialog.scrollTop = 0;
      dialog.querySelector<HTMLElement>('tbody tr')?.focus();
      announce(`Flow ${indexed.endpoint}, ${msText(indexed.flow.durationMs)}, ${plural(indexed.spans, 'span')}`);
    },
    get isOpen() {
      return dialog.open;
    },
    close: () => dialog.close(),
  };
}

function content({ flow, endpoint, spans, retries, failed }: IndexedFlow, close: () => void): Node[] {
  const rows = waterfallRows(flow);
  const closing = el('button', { type: 'button', class: 'close', 'aria-label': 'Close this flow' }, '✕');
  closing.addEventListener('click', close);
  const facts = [
    ['Status', flow.status === null ? 'no answer' : `${flow.status}`],
    ['Duration', msText(flow.durationMs)],
    ['Spans', `${spans}`],
    ['Retries', `${retries}`],
    ['Started', new Date(flow.startAt).toISOString().replace('T', ' ').replace('Z', ' UTC')],
    ['Trace', flow.traceId],
    ...(flow.key === flow.traceId ? [] : [['Key', flow.key]]),
  ] as const;
  return [
    el(
      'div',
      { class: 'flow-head' },
      el('div', {}, el('p', { class: 'eyebrow' }, 'Flow'), el('h2', { id: 'flow-title' }, endpoint)),
      closing,
    ),
    el(
      'dl',
      { class: 'facts' },
      ...facts.map(([name, value]) =>
        el(
          'div',
          {},
          el('dt', {}, name ?? ''),
          el('dd', { class: name === 'Status' && failed ? 'failing' : '' }, value ?? ''),
        ),
      ),
    ),
    flow.warnings.length > 0
      ? el('ul', { class: 'flow-warnings' }, ...flow.warnings.map((warning) => el('li', {}, warning)))
      : el('span', { hidden: true }),
    legend(rows),
    waterfall(rows.slice(0, MOST_ROWS)),
    rows.length > MOST_ROWS
      ? el('p', { class: 'hint' }, `${rows.length - MOST_ROWS} more rows are not shown; --format json has all.`)
      : el('span', { hidden: true }),
  ];
}

function legend(rows: readonly WaterfallRow[]): HTMLElement {
  const item = (className: string, text: string): HTMLElement => {
    const swatch = svgEl('svg', { class: 'swatch', width: 28, height: 12, 'aria-hidden': 'true' });
    swatch.append(svgEl('rect', { class: className, x: 1, y: 2, width: 26, height: 8, rx: 2 }));
    if (className === 'critical') swatch.append(svgEl('rect', { class: 'path', x: 1, y: 9, width: 26, height: 3 }));
    return el('span', {}, swatch, text);
  };
  const some = (test: (row: WaterfallRow) => boolean): boolean => rows.some(test);
  return el(
    'p',
    { class: 'legend' },
    item('span', 'handling'),
    item('critical', 'on the critical path'),
    item('wire', 'as the caller saw it'),
    some(({ kind }) => kind === 'queued') ? item('queued', 'queued work') : null,
    some(({ failed }) => failed) ? item('failed', 'failed') : null,
    some(({ span }) => span?.inferred ?? false) ? item('inferred', 'inferred') : null,
    some(({ span }) => (span?.uncertaintyMs ?? 0) > 0) ? item('doubt', 'clock uncertainty') : null,
    some(({ span }) => span?.order === 'within-clock-error') ? item('unproved', 'order within clock error') : null,
  );
}

function waterfall(rows: readonly WaterfallRow[]): HTMLElement {
  const from = rows.reduce((least, { startMs }) => Math.min(least, startMs), 0);
  const to = rows.reduce((most, { startMs, endMs }) => Math.max(most, endMs ?? startMs), from + 1e-3);
  const share = (ms: number): number => (100 * (ms - from)) / (to - from);
  const body = el('tbody', {});
  for (const [index, row] of rows.entries()) body.append(rowElement(row, index, rows.length, share));
  const table = el(
    'table',
    { class: 'waterfall', role: 'treegrid', 'aria-label': 'Waterfall' },
    el(
      'thead',
      {},
      el(
        'tr',
        {},
        el('th', { scope: 'col', class: 'text' }, 'Service'),
        el('th', { scope: 'col', class: 'text' }, 'Status'),
        el('th', { scope: 'col' }, 'Duration'),
        el('th', { scope: 'col', class: 'time' }, axis(from, to)),
      ),
    ),
    body,
  );
  table.addEventListener('keydown', (event) => moveThrough(event, body));
  return el('div', { class: 'scroll waterfall-scroll' }, table);
}

function moveThrough(event: KeyboardEvent, body: HTMLElement): void {
  const row = (event.target as Element).closest('tr');
  if (!row || row.parentElement !== body) return;
  const all = [...body.querySelectorAll<HTMLTableRowElement>('tr.line')];
  const at = all.indexOf(row as HTMLTableRowElement);
  const moves: Readonly<Record<string, number>> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
  const to = moves[event.key];
  if (to !== undefined && all[to]) {
    row.tabIndex = -1;
    all[to].tabIndex = 0;
    all[to].focus();
  } else if (event.key === 'Enter' || event.key === ' ') row.click();
  else return;
  event.preventDefault();
}

function rowElement(row: WaterfallRow, index: number, count: number, share: (ms: number) => number): HTMLElement {
  const { depth, title, place, status, failed, notes, startMs, endMs, critical } = row;
  const name = el('span', { class: 'name' }, el('b', {}, title), ' ', el('span', { class: 'place' }, place));
  name.style.paddingInlineStart = `${Math.min(depth, 24) * 14}px`;
  const took = endMs === null ? 'unknown' : msText(endMs - startMs);
  const element = el(
    'tr',
    {
      class: `line${critical ? ' on-path' : ''}${failed ? ' bad' : ''}`,
      tabindex: index === 0 ? 0 : -1,
      'aria-level': depth + 1,
      'aria-posinset': index + 1,
      'aria-setsize': count,
      'aria-expanded': 'false',
    },
    el(
      'td',
      { class: 'text' },
      name,
      ...notes.map((note) => el('span', { class: `mark${/^fault/.test(note) ? ' fault' : ''}` }, note)),
    ),
    el('td', { class: `text${failed ? ' failing' : ''}` }, failed ? `✕ ${status}` : status),
    el('td', {}, took),
    el(
      'td',
      { class: 'time' },
      bars(row, share),
      el(
        'span',
        { class: 'visually-hidden' },
        `starts at ${msText(startMs)}${critical ? ', on the critical path' : ''}${row.span?.order === 'within-clock-error' ? ', may have begun before what it is shown after' : ''}`,
      ),
    ),
  );
  let details: HTMLElement | undefined;
  element.addEventListener('click', () => {
    if (details) details.remove();
    const opens = !details;
    details = opens ? detailRow(row) : undefined;
    if (details) element.after(details);
    element.setAttribute('aria-expanded', `${opens}`);
  });
  return element;
}

function bars(
  { kind, span, call, startMs, endMs, critical, failed }: WaterfallRow,
  share: (ms: number) => number,
): SVGElement {
  const svg = svgEl('svg', { class: 'bars', 'aria-hidden': 'true', height: 24 });
  const rect = (className: string, start: number, end: number, y: number, height: number): SVGElement =>
    svgEl('rect', {
      class: className,
      x: `${share(start)}%`,
      width: `${Math.max(0.15, share(end) - share(start))}%`,
      y,
      height,
      rx: 2,
    });
  const end = endMs ?? startMs;
  if (call && span)
    svg.append(rect(call.error ? 'wire bad' : 'wire', call.offsetMs, call.offsetMs + (call.durationMs ?? 0), 11, 2));
  const className = span === null ? 'wire-only' : span.inferred ? 'inferred' : kind === 'queued' ? 'queued' : 'span';
  svg.append(rect(failed ? `${className} failed` : className, startMs, end, 5, 14));
  if (critical) svg.append(rect('path', startMs, end, 19, 3));
  if (endMs === null) {
    svg.append(svgEl('text', { class: 'lost', x: `${Math.min(97, share(startMs) + 0.5)}%`, y: 16 }, '?'));
  }
  for (const _ of span?.faults ?? [])
    svg.append(svgEl('circle', { class: 'fault', cx: `${share(startMs)}%`, cy: 12, r: 4 }));
  const doubt = span?.uncertaintyMs ?? 0;
  if (doubt > 0) svg.append(rect('doubt', startMs - doubt, startMs + doubt, 2, 20));
  if (span?.order === 'within-clock-error') {
    const x = `${share(startMs)}%`;
    svg.append(svgEl('line', { class: 'unproved', x1: x, x2: x, y1: 1, y2: 23 }));
  }
  return svg;
}

function detailRow({ span, call }: WaterfallRow): HTMLElement {
  const clock = (at: number): string => new Date(at).toISOString().slice(11, 23);
  const facts: (readonly [string, string | null | undefined])[] = [
    ['Request id', span?.requestId],
    ['Instance', span ? `${span.instance}${span.process ? `, process ${span.process}` : ''}` : call?.peer],
    ['Received through', span?.via],
    ['Starts', span ? msText(span.offsetMs) : null],
    ["Host's own time", span && !span.inferred ? clock(span.rawAt) : null],
    ['Moved by', span && span.correctionMs !== 0 ? msText(span.correctionMs) : null],
    [
      'Order beside its caller',
      span?.order === null || span === null
        ? null
        : span.order === 'proved'
          ? 'proved'
          : `within clock error, ± ${msText(span.uncertaintyMs)}`,
    ],
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
    ...(span?.faults ?? []).map((fault) => ['Fault', fault] as const),
    ...(span?.decisions ?? []).map((decision) => ['Decided', decision] as const),
  ];
  const list = el(
    'dl',
    { class: 'details' },
    ...facts.flatMap(([name, value]) => (value ? [el('div', {}, el('dt', {}, name), el('dd', {}, value))] : [])),
  );
  return el('tr', { class: 'more' }, el('td', { colspan: 4 }, list));
}

function axis(from: number, to: number): SVGElement {
  const svg = svgEl('svg', {
    class: 'axis',
    height: 16,
    role: 'img',
    'aria-label': `From ${msText(from)} to ${msText(to)}`,
  });
  const step = niceStep((to - from) / 5);
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    const share = (100 * (at - from)) / (to - from);
    if (share > 94) continue;
    svg.append(
      svgEl('line', { x1: `${share}%`, x2: `${share}%`, y1: 0, y2: 16 }),
      svgEl('text', { x: `${share}%`, dx: 4, y: 12 }, Math.abs(at) < step / 1e6 ? '0' : msText(at)),
    );
  }
  return svg;
}

function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-6)));
  return power * ([1, 2, 5].find((times) => times * power >= least * 0.999999) ?? 10);
}

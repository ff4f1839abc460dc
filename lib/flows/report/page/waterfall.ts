import type { ReportSpan } from '../flow-fields';
import { el, msText, svgEl } from './dom';
import { type DrawnRow, openTexts, orderLinks } from './open-orders';
import { detailRow } from './row-details';
import { OPEN_NOTE, type WaterfallRow } from './waterfall-rows';

/** A narrower bracket, in percent of the axis, is a blot. */
const LEAST_DOUBT = 0.3;

export interface Waterfall {
  readonly element: HTMLElement;
  /** Puts the focus on a span's row. */
  goTo(span: ReportSpan): void;
}

/** The flow's rows on one axis; `note` tells of orders within clock error of the row that is looked at. */
export function waterfall(rows: readonly WaterfallRow[], note: HTMLElement): Waterfall {
  const from = rows.reduce((least, { startMs }) => Math.min(least, startMs), 0);
  const to = rows.reduce((most, { startMs, endMs }) => Math.max(most, endMs ?? startMs), from + 1e-3);
  const share = (ms: number): number => (100 * (ms - from)) / (to - from);
  const body = el('tbody', { role: 'rowgroup' });
  const drawn = rows.map((row, index): DrawnRow => {
    const picture = bars(row, share);
    return { row, bars: picture, element: rowElement(row, index, rows.length, picture) };
  });
  body.append(...drawn.map(({ element }) => element));
  const table = el(
    'table',
    { class: 'waterfall', role: 'treegrid', 'aria-label': 'Waterfall' },
    el(
      'thead',
      { role: 'rowgroup' },
      el(
        'tr',
        { role: 'row' },
        el('th', { scope: 'col', role: 'columnheader', class: 'text' }, 'Service'),
        el('th', { scope: 'col', role: 'columnheader', class: 'text' }, 'Status'),
        el('th', { scope: 'col', role: 'columnheader' }, 'Duration'),
        el('th', { scope: 'col', role: 'columnheader', class: 'time' }, axis(from, to)),
      ),
    ),
    body,
  );
  table.addEventListener('keydown', (event) => moveThrough(event, body));
  const holder = el('div', { class: 'waterfall-holder' }, table);
  orderLinks(holder, body, drawn, share, note);
  return {
    element: holder,
    goTo(span) {
      const to = drawn.find(({ row }) => row.span === span)?.element;
      if (to) moveFocus(body, to);
    },
  };
}

/** One row is a tab stop: the one that had the focus last. */
function moveFocus(body: HTMLElement, to: HTMLElement): void {
  for (const row of body.querySelectorAll<HTMLElement>('tr.line[tabindex="0"]')) row.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
}

function moveThrough(event: KeyboardEvent, body: HTMLElement): void {
  const row = (event.target as Element).closest('tr');
  if (!row || row.parentElement !== body) return;
  const all = [...body.querySelectorAll<HTMLTableRowElement>('tr.line')];
  const at = all.indexOf(row as HTMLTableRowElement);
  const moves: Readonly<Record<string, number>> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
  const to = moves[event.key];
  if (to !== undefined && all[to]) moveFocus(body, all[to]);
  else if (event.key === 'Enter' || event.key === ' ') row.click();
  else return;
  event.preventDefault();
}

function rowElement(row: WaterfallRow, index: number, count: number, picture: SVGElement): HTMLElement {
  const { depth, title, place, status, failed, notes, startMs, endMs, critical, span, open } = row;
  const name = el('span', { class: 'name' }, el('b', {}, title), ' ', el('span', { class: 'place' }, place));
  const marks = notes.map((note) => el('span', { class: `mark ${markClass(note)}` }, note));
  const label = el('div', { class: 'label' }, name, ...marks);
  label.style.paddingInlineStart = `${Math.min(depth, 24) * 14}px`;
  const took = endMs === null ? 'unknown' : msText(endMs - startMs);
  const told = [
    `starts at ${msText(startMs)}`,
    ...(critical ? ['on the critical path'] : []),
    ...(span ? openTexts(span, open) : []),
  ];
  const element = el(
    'tr',
    {
      role: 'row',
      class: `line${critical ? ' on-path' : ''}${failed ? ' bad' : ''}`,
      tabindex: index === 0 ? 0 : -1,
      'aria-level': depth + 1,
      'aria-posinset': index + 1,
      'aria-setsize': count,
      'aria-expanded': 'false',
    },
    el('td', { class: 'text', role: 'gridcell' }, label),
    el('td', { class: `text${failed ? ' failing' : ''}`, role: 'gridcell' }, failed ? `✕ ${status}` : status),
    el('td', { role: 'gridcell' }, took),
    el('td', { class: 'time', role: 'gridcell' }, picture, el('span', { class: 'visually-hidden' }, told.join('; '))),
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

function markClass(note: string): string {
  if (note === OPEN_NOTE) return 'open';
  return note.startsWith('fault') ? 'fault' : '';
}

function bars(
  { kind, span, call, startMs, endMs, critical, failed, open, faults }: WaterfallRow,
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
  for (const { atMs } of faults) svg.append(svgEl('circle', { class: 'fault', cx: `${share(atMs)}%`, cy: 12, r: 4 }));
  const doubt = span?.uncertaintyMs ?? 0;
  if (share(doubt) - share(0) > LEAST_DOUBT) {
    const [from, to] = [`${share(startMs - doubt)}%`, `${share(startMs + doubt)}%`];
    for (const [x1, x2, y1, y2] of [
      [from, to, 2, 2],
      [from, from, 0, 5],
      [to, to, 0, 5],
    ])
      svg.append(svgEl('line', { class: 'doubt', x1, x2, y1, y2 }));
  }
  const ends = open.flatMap(({ second }) => (second.span === span ? [second.at] : []));
  for (const at of new Set(ends)) {
    const x = `${share(at === 'start' ? startMs : end)}%`;
    svg.append(svgEl('line', { class: 'unproved', x1: x, x2: x, y1: 4, y2: 24 }));
  }
  return svg;
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
    if (share > 88) continue;
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

import { gapText, openOrderText } from '../../formats/open-order-text';
import type { ReportEvent, ReportFlow, ReportOrdering, ReportSpan } from '../flow-fields';
import { el, msText, plural, svgEl } from './dom';
import type { WaterfallRow } from './waterfall-rows';

/** More pairs than anyone reads. */
const MOST_PAIRS = 500;
/** Of one row, at once. */
const MOST_TOLD = 3;

/** A row of the waterfall as it stands in the page. */
export interface DrawnRow {
  readonly row: WaterfallRow;
  readonly element: HTMLElement;
  readonly bars: SVGElement;
}

/** What is not proved of where a span begins and ends, a sentence for each other event. */
export function openTexts(span: ReportSpan, open: readonly ReportOrdering[]): readonly string[] {
  const told = open.slice(0, MOST_TOLD).map(({ first, second, ...gap }) => {
    const isSecond = second.span === span;
    const [own, other] = isSecond ? [second, first] : [first, second];
    return openOrderText(own.at, isSecond ? 'after' : 'before', other.at, nameOf(other.span), gapText(gap, msText));
  });
  return open.length > MOST_TOLD ? [...told, `and ${open.length - MOST_TOLD} more`] : told;
}

/** What the flow's order rests on, with each pair that nothing proves; its first cell leads to the row of the first. */
export function orderSection({ orderings, open }: ReportFlow, goTo: (span: ReportSpan) => void): HTMLElement | null {
  if (orderings === 0) return null;
  if (open.length === 0) {
    const all = orderings === 1 ? 'The one order' : `All ${orderings} orders`;
    return el(
      'p',
      { class: 'hint orders' },
      `${all} between hosts shown here ${orderings === 1 ? 'is' : 'are'} proved.`,
    );
  }
  const heads = ['Shown first', 'Shown second', 'Apart', 'Clocks known to'].map((text, index) =>
    el('th', { scope: 'col', class: index < 2 ? 'text' : '' }, text),
  );
  const rows = open.slice(0, MOST_PAIRS).map(({ first, second, apartMs, boundMs }) => {
    const button = el('button', { type: 'button', class: 'link' }, eventName(first));
    button.addEventListener('click', () => goTo(first.span));
    return el(
      'tr',
      {},
      el('td', { class: 'text' }, button),
      el('td', { class: 'text' }, eventName(second)),
      el('td', {}, boundMs === null ? '–' : msText(apartMs)),
      el('td', {}, boundMs === null ? 'unknown' : `± ${msText(boundMs)}`),
    );
  });
  const more = open.length - rows.length;
  return el(
    'details',
    { class: 'orders' },
    el('summary', {}, `${open.length} of ${plural(orderings, 'order')} between hosts: within clock error`),
    el('table', {}, el('thead', {}, el('tr', {}, ...heads)), el('tbody', {}, ...rows)),
    more > 0 ? el('p', { class: 'hint' }, `${more} more are not shown; --format json has all.`) : null,
  );
}

/**
 * Draws, for the row that is pointed at or has the focus, lines to the events that it has no proved order with, and tells of
 * them in `note`.
 */
export function orderLinks(
  holder: HTMLElement,
  body: HTMLElement,
  drawn: readonly DrawnRow[],
  share: (ms: number) => number,
  note: HTMLElement,
): void {
  const bySpan = new Map(drawn.flatMap((one) => (one.row.span ? [[one.row.span, one] as const] : [])));
  const byElement = new Map<Element | null, DrawnRow>(drawn.map((one) => [one.element, one]));
  const overlay = svgEl('svg', { class: 'links', 'aria-hidden': 'true' });
  holder.append(overlay);
  const idle = note.textContent ?? '';
  let partners: readonly HTMLElement[] = [];
  let shown: DrawnRow | undefined;

  const pointOf = ({ span, at }: ReportEvent): readonly [number, number] | null => {
    const one = bySpan.get(span);
    if (!one) return null;
    const [box, frame] = [one.bars.getBoundingClientRect(), holder.getBoundingClientRect()];
    const ms = at === 'start' ? one.row.startMs : (one.row.endMs ?? one.row.startMs);
    return [box.left - frame.left + (box.width * share(ms)) / 100, box.top - frame.top + box.height / 2];
  };
  const draw = (): void => {
    const lines = (shown?.row.open ?? []).flatMap(({ first, second }) => {
      const [from, to] = [pointOf(first), pointOf(second)];
      if (!from || !to) return [];
      const ends = [from, to].map(([cx, cy]) => svgEl('circle', { cx, cy, r: 4 }));
      return [svgEl('path', { d: `M${from.join(' ')}L${to.join(' ')}` }), ...ends];
    });
    overlay.replaceChildren(...lines);
  };
  const show = (one: DrawnRow | undefined): void => {
    if (one === shown) return;
    shown = one;
    for (const element of partners) element.classList.remove('partner');
    const { span, open = [] } = one?.row ?? {};
    const others = open.map(({ first, second }) => bySpan.get(first.span === span ? second.span : first.span)?.element);
    partners = others.filter((element) => element !== undefined);
    for (const element of partners) element.classList.add('partner');
    const texts = span && open.length > 0 ? openTexts(span, open).map((text) => el('span', {}, text)) : [];
    note.replaceChildren(...(span && texts.length > 0 ? [el('b', {}, nameOf(span)), ...texts] : [idle]));
    draw();
  };
  const rowAt = (target: EventTarget | null): DrawnRow | undefined =>
    byElement.get(target instanceof Element ? target.closest('tr.line') : null);
  body.addEventListener('mouseover', ({ target }) => show(rowAt(target) ?? rowAt(document.activeElement)));
  body.addEventListener('mouseleave', () => show(rowAt(document.activeElement)));
  body.addEventListener('focusin', ({ target }) => show(rowAt(target)));
  // Rows move where one is opened, and with the window.
  new ResizeObserver(draw).observe(holder);
}

function nameOf({ instance, endpoint }: ReportSpan): string {
  return `${instance} ${endpoint ?? '?'}`;
}

function eventName({ span, at }: ReportEvent): string {
  return `${at} of ${nameOf(span)}`;
}

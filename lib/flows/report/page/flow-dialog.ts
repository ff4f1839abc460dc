import { announce, byId, el, msText, plural, svgEl } from './dom';
import type { IndexedFlow } from './flow-index';
import { orderSection } from './open-orders';
import { waterfall } from './waterfall';
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
      dialog.querySelector<HTMLElement>('tbody tr')?.focus({ preventScroll: true });
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
  const { open, orderings } = flow;
  const note = el('div', {
    class: 'order-note',
    role: 'region',
    'aria-label': 'Order within clock error',
    tabindex: 0,
    hidden: open.length === 0,
  });
  note.textContent = `≈ Within clock error: ${open.length} of ${plural(orderings, 'order')} between hosts. Point at a row, or move to it, to see with what.`;
  const { element, goTo } = waterfall(rows.slice(0, MOST_ROWS), note);
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
      'div',
      { class: 'flow-body' },
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
        : null,
      legend(rows, element.querySelector('.bars .doubt') !== null),
      element,
      rows.length > MOST_ROWS
        ? el('p', { class: 'hint' }, `${rows.length - MOST_ROWS} more rows are not shown; --format json has all.`)
        : null,
      orderSection(flow, goTo),
    ),
    note,
  ];
}

function legend(rows: readonly WaterfallRow[], doubt: boolean): HTMLElement {
  const item = (className: string, text: string): HTMLElement => {
    const swatch = svgEl('svg', { class: 'swatch', width: 28, height: 12, 'aria-hidden': 'true' });
    if (className === 'doubt') swatch.append(svgEl('path', { class: className, d: 'M1 3v6M1 6h26M27 3v6' }));
    else if (className === 'unproved') swatch.append(svgEl('path', { class: className, d: 'M14 0v12' }));
    else if (className === 'fault') swatch.append(svgEl('circle', { class: className, cx: 14, cy: 6, r: 4 }));
    else swatch.append(svgEl('rect', { class: className, x: 1, y: 2, width: 26, height: 8, rx: 2 }));
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
    doubt ? item('doubt', 'clock uncertainty') : null,
    some(({ open }) => open.length > 0) ? item('unproved', '≈ order within clock error') : null,
    some(({ faults }) => faults.length > 0) ? item('fault', 'fault') : null,
  );
}

import { announce, el, msText, plural, svgEl } from './dom';
import { type Filter, type IndexedFlow, matches, type SortKey, sortFlows } from './flow-index';

const ROW_HEIGHT = 36;
const MARGIN_ROWS = 12;
/** On paper nothing scrolls. */
const MOST_PRINTED = 100;

const COLUMNS: readonly (readonly [key: SortKey, title: string, className: string])[] = [
  ['start', 'Start', 'number'],
  ['endpoint', 'Request', 'text'],
  ['status', 'Status', 'text'],
  ['duration', 'Duration', 'bar'],
  ['spans', 'Spans', 'number'],
  ['retries', 'Retries', 'number'],
];

export interface FlowList {
  /** Puts the cursor on a flow and shows its row. */
  reveal(traceId: string): void;
  focus(): void;
  focusSearch(): void;
  showService(service: string): void;
}

/**
 * The list of flows: a grid that holds the rows in sight only. One tab stop; arrows, Page Up and Down, Home and End move the
 * cursor, Enter opens the flow.
 */
export function flowList(
  container: HTMLElement,
  all: readonly IndexedFlow[],
  startAt: number,
  open: (indexed: IndexedFlow) => void,
): FlowList {
  let filter: Filter = { search: '', service: '', failed: false, incomplete: false, retried: false, faulted: false };
  let sort: { readonly key: SortKey; readonly descending: boolean } = { key: 'start', descending: false };
  let shown: IndexedFlow[] = [...all];
  let cursor = 0;
  // Bars grow with the square root: a time-out beside quick requests would leave those without any.
  const longest = all.reduce((most, { flow }) => Math.max(most, flow.durationMs ?? 0), 1e-3);

  const search = el('input', {
    type: 'search',
    id: 'search',
    placeholder: 'Trace id, endpoint, service, error, >50ms',
    autocomplete: 'off',
    spellcheck: 'false',
    'aria-describedby': 'count',
    'aria-keyshortcuts': '/',
  });
  const services = el('select', { id: 'service' }, el('option', { value: '' }, 'All services'));
  for (const service of [...new Set(all.flatMap((each) => [...each.services]))].sort()) {
    services.append(el('option', { value: service }, service));
  }
  const chip = (name: 'failed' | 'incomplete' | 'retried' | 'faulted', title: string, count: number): HTMLElement => {
    const button = el('button', { type: 'button', class: 'chip', 'aria-pressed': 'false' }, `${title} ${count}`);
    button.disabled = count === 0;
    button.addEventListener('click', () => {
      filter = { ...filter, [name]: !filter[name] };
      button.setAttribute('aria-pressed', `${filter[name]}`);
      update();
    });
    return button;
  };
  const number = (test: (indexed: IndexedFlow) => boolean): number => all.filter(test).length;
  const chips = el(
    'div',
    { class: 'chips', role: 'group', 'aria-label': 'Show only flows that' },
    chip(
      'failed',
      'Failed',
      number(({ failed }) => failed),
    ),
    chip(
      'incomplete',
      'Incomplete',
      number(({ flow }) => !flow.complete),
    ),
    chip(
      'retried',
      'Retried',
      number(({ retries }) => retries > 0),
    ),
    chip(
      'faulted',
      'Faults',
      number(({ faults }) => faults > 0),
    ),
  );
  const count = el('p', { id: 'count', class: 'hint' });
  const printed = el('p', { class: 'hint on-paper' });
  const printing = matchMedia('print');

  const head = el('div', { class: 'row head', role: 'row', 'aria-rowindex': 1 });
  for (const [key, title, className] of COLUMNS) {
    const button = el('button', { type: 'button', tabindex: 0 }, title);
    const cell = el('div', { role: 'columnheader', class: className, 'data-key': key, 'aria-sort': 'none' }, button);
    button.addEventListener('click', () => {
      const numeric = key !== 'endpoint' && key !== 'start';
      sort = { key, descending: sort.key === key ? !sort.descending : numeric };
      update();
      announce(`Sorted by ${title}, ${sort.descending ? 'largest' : 'smallest'} first`);
    });
    head.append(cell);
  }
  const body = el('div', { class: 'rows', role: 'rowgroup' });
  const grid = el(
    'div',
    { class: 'grid', id: 'grid', role: 'grid', tabindex: 0, 'aria-label': 'Flows', 'aria-colcount': COLUMNS.length },
    el('div', { role: 'rowgroup', class: 'headgroup' }, head),
    body,
  );
  const nothing = all.length === 0 ? 'This run has no flow.' : 'No flow is like that.';
  const empty = el('p', { class: 'empty', hidden: true }, nothing);
  container.append(
    el(
      'div',
      { class: 'tools', role: 'search', 'aria-label': 'Flows' },
      el('label', { class: 'field grow' }, el('span', {}, 'Search ', el('kbd', {}, '/')), search),
      el('label', { class: 'field' }, el('span', {}, 'Service'), services),
      chips,
    ),
    count,
    printed,
    grid,
    empty,
  );

  const update = (): void => {
    const kept = shown[cursor];
    shown = sortFlows(
      all.filter((indexed) => matches(indexed, filter)),
      sort.key,
      sort.descending,
    );
    cursor = Math.max(0, kept ? shown.indexOf(kept) : 0);
    for (const cell of head.children) {
      const own = cell.getAttribute('data-key') === sort.key;
      cell.setAttribute('aria-sort', own ? (sort.descending ? 'descending' : 'ascending') : 'none');
    }
    grid.setAttribute('aria-rowcount', `${shown.length + 1}`);
    count.textContent =
      shown.length === all.length
        ? plural(all.length, 'flow')
        : `${shown.length.toLocaleString('en')} of ${plural(all.length, 'flow')}`;
    empty.hidden = shown.length > 0;
    grid.hidden = shown.length === 0;
    body.style.height = `${shown.length * ROW_HEIGHT}px`;
    grid.style.setProperty('--rows', `${shown.length * ROW_HEIGHT}px`);
    grid.scrollTop = Math.min(grid.scrollTop, Math.max(0, shown.length * ROW_HEIGHT));
    render();
  };

  const render = (): void => {
    const first = printing.matches ? 0 : Math.max(0, Math.floor(grid.scrollTop / ROW_HEIGHT) - MARGIN_ROWS);
    const visible = printing.matches
      ? MOST_PRINTED
      : Math.ceil((grid.clientHeight || 600) / ROW_HEIGHT) + 2 * MARGIN_ROWS;
    printed.textContent = `On paper: the first ${Math.min(MOST_PRINTED, shown.length)}.`;
    const rows = shown.slice(first, first + visible).map((indexed, index) => row(indexed, first + index));
    body.replaceChildren(...rows);
    if (rows.length > 0 && cursor >= first && cursor < first + rows.length) {
      grid.setAttribute('aria-activedescendant', `row-${cursor}`);
    } else grid.removeAttribute('aria-activedescendant');
  };

  const row = (indexed: IndexedFlow, index: number): HTMLElement => {
    const { flow, endpoint, spans, retries, faults, failed, error } = indexed;
    const { durationMs, status, complete } = flow;
    const marks = [
      ...(complete ? [] : [['warn', 'incomplete'] as const]),
      ...(faults > 0 ? [['fault', plural(faults, 'fault')] as const] : []),
    ];
    const bar = svgEl('svg', { class: 'mini', 'aria-hidden': 'true' });
    bar.append(
      svgEl('rect', {
        class: failed ? 'bad' : 'fill',
        width: `${100 * Math.sqrt((durationMs ?? 0) / longest)}%`,
        height: 6,
        y: 0,
        rx: 2,
      }),
    );
    const element = el(
      'div',
      {
        class: `row${index === cursor ? ' cursor' : ''}${index % 2 === 1 ? ' odd' : ''}`,
        role: 'row',
        id: `row-${index}`,
        'aria-rowindex': index + 2,
        'aria-selected': index === cursor ? 'true' : 'false',
      },
      cell('number', `${((flow.startAt - startAt) / 1000).toFixed(3)} s`),
      cell('text', endpoint, ...marks.map(([kind, text]) => el('span', { class: `mark ${kind}` }, text))),
      cell(
        'text',
        el('span', { class: failed ? 'failing' : '' }, status === null ? 'none' : `${status}`),
        failed && error !== null ? el('small', {}, error) : null,
      ),
      cell('bar', el('span', {}, msText(durationMs)), bar),
      cell('number', `${spans}`),
      cell('number', retries > 0 ? `${retries}` : '–'),
    );
    element.style.top = `${index * ROW_HEIGHT}px`;
    element.addEventListener('click', () => {
      cursor = index;
      render();
      open(indexed);
    });
    return element;
  };

  const moveTo = (index: number): void => {
    cursor = Math.max(0, Math.min(shown.length - 1, index));
    const top = cursor * ROW_HEIGHT;
    const headHeight = head.offsetHeight;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + ROW_HEIGHT + headHeight > grid.scrollTop + grid.clientHeight) {
      grid.scrollTop = top + ROW_HEIGHT + headHeight - grid.clientHeight;
    }
    render();
  };

  grid.addEventListener('scroll', render, { passive: true });
  new ResizeObserver(render).observe(grid);
  printing.addEventListener('change', render);
  grid.addEventListener('keydown', (event) => {
    if (event.target !== grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(grid.clientHeight / ROW_HEIGHT) - 2);
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: cursor + 1,
      ArrowUp: cursor - 1,
      PageDown: cursor + page,
      PageUp: cursor - page,
      Home: 0,
      End: shown.length - 1,
    };
    const to = moves[event.key];
    const at = shown[cursor];
    if (to !== undefined) moveTo(to);
    else if (event.key === 'Enter' && at) open(at);
    else return;
    event.preventDefault();
  });
  let waiting: number | undefined;
  const find = (): void => {
    clearTimeout(waiting);
    waiting = undefined;
    filter = { ...filter, search: search.value.trim() };
    update();
    announce(`${plural(shown.length, 'flow')} found`);
  };
  search.addEventListener('input', () => {
    clearTimeout(waiting);
    waiting = window.setTimeout(find, 60);
  });
  search.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' || event.key === 'Enter') {
      event.preventDefault();
      // Where the list came later, it would take back the next moves.
      if (waiting !== undefined) find();
      grid.focus();
    }
  });
  services.addEventListener('change', () => {
    filter = { ...filter, service: services.value };
    update();
    announce(`${plural(shown.length, 'flow')} found`);
  });
  update();

  return {
    reveal(traceId) {
      const index = shown.findIndex(({ flow }) => flow.traceId === traceId);
      if (index >= 0) moveTo(index);
    },
    focus: () => grid.focus({ preventScroll: true }),
    focusSearch() {
      search.focus();
      search.select();
    },
    showService(service) {
      services.value = service;
      services.dispatchEvent(new Event('change'));
      container.scrollIntoView({ block: 'start' });
      services.focus({ preventScroll: true });
    },
  };
}

function cell(className: string, ...children: readonly (Node | string | null)[]): HTMLElement {
  return el('div', { class: className, role: 'gridcell' }, ...children);
}

import type { FlowHead } from '../flow-fields';
import { decodeFlows } from './decode-flows';
import { announce, byId, el } from './dom';
import { flowDialog } from './flow-dialog';
import { type IndexedFlow, indexFlow } from './flow-index';
import { flowList } from './flow-list';
import { themeToggle } from './theme';

interface Data {
  readonly run: string;
  readonly startAt: number;
  readonly head: FlowHead;
}

themeToggle();
start().catch((error: unknown) => {
  byId('flow-list').append(el('p', { class: 'empty' }, `The flows can't be shown: ${error}`));
});

async function start(): Promise<void> {
  const { startAt, head, run } = JSON.parse(byId('data').textContent ?? '') as Data;
  const all = decodeFlows(head, await unpack(byId('flows').textContent ?? '')).map(indexFlow);
  const byTrace = new Map(all.map((indexed) => [indexed.flow.traceId, indexed]));

  const go = (hash: string): void => {
    if (location.hash !== hash) history.pushState(null, '', hash || location.pathname + location.search);
  };
  const list = flowList(byId('flow-list'), all, startAt, (indexed) => {
    go(`#flow=${indexed.flow.traceId}`);
    show();
  });
  const dialog = flowDialog(() => {
    if (location.hash.startsWith('#flow=')) go('');
    document.title = run;
    list.focus();
  });

  const show = (): void => {
    const [, wanted] = /^#flow=([0-9a-f]{1,32})$/.exec(location.hash) ?? [];
    if (wanted === undefined) {
      if (dialog.isOpen) dialog.close();
      return;
    }
    const indexed: IndexedFlow | undefined =
      byTrace.get(wanted) ?? all.find(({ flow }) => flow.traceId.startsWith(wanted));
    if (!indexed) {
      announce(`There is no flow ${wanted} on this page`);
      return;
    }
    list.reveal(indexed.flow.traceId);
    dialog.open(indexed);
    document.title = `${indexed.endpoint} · ${run}`;
  };
  // What is folded away on a screen can't be unfolded on paper.
  window.addEventListener('beforeprint', () => {
    for (const folded of document.querySelectorAll<HTMLDetailsElement>('details:is(.warnings, .orders)')) {
      folded.open = true;
    }
  });
  window.addEventListener('popstate', show);
  window.addEventListener('hashchange', show);
  window.addEventListener('keydown', (event) => {
    const { key, target, ctrlKey, metaKey, altKey } = event;
    const typing = target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
    if (key !== '/' || typing || dialog.isOpen || ctrlKey || metaKey || altKey) return;
    event.preventDefault();
    list.focusSearch();
  });
  for (const node of document.querySelectorAll<SVGGElement>('.service-map .node')) {
    const { service } = node.dataset;
    if (service === undefined || node.classList.contains('driver')) continue;
    node.setAttribute('role', 'button');
    node.setAttribute('tabindex', '0');
    const choose = (): void => list.showService(service);
    node.addEventListener('click', choose);
    node.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      choose();
    });
  }
  // A picture's parts are hidden from screen readers; now it is a group of buttons.
  document.querySelector('.service-map')?.setAttribute('role', 'group');
  show();
  document.documentElement.dataset.ready = 'true';
  performance.mark('ready');
}

async function unpack(base64: string): Promise<Uint8Array> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

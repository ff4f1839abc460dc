import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { explainSlowest } from '../../../../lib/flows/analysis/explain-tail';
import type { Flow, SpanFault } from '../../../../lib/flows/flow';
import type { Run } from '../../../../lib/flows/read-run';
import { reportHtml } from '../../../../lib/flows/report/report-html';
import { reportRun } from '../../../../lib/flows/run-report';
import { loadTopology } from '../../../../lib/model/load-topology';
import { resolve } from '../../../../lib/model/resolve';
import { CHROMIUM, launchChromium, NO_CHROMIUM, openPage } from '../../../support/chromium';
import { copyFile, loseLines, removeFile } from '../../../support/distort';
import { HOSTILE, hostileFlow, troubledShop } from '../../../support/sample-flows';
import { simulatedRun } from '../../../support/simulated-run';

let browser: Browser;
test.before(async () => {
  if (CHROMIUM) browser = await launchChromium();
});
test.after.always(() => browser?.close());
const inBrowser = CHROMIUM ? test : test.skip;
const title = (text: string) => (CHROMIUM ? text : `${text} (${NO_CHROMIUM})`);

async function html(run: Run, more: readonly Flow[] = [], mostFlows?: number): Promise<string> {
  const { report } = reportRun(run);
  const flows = () => [...run.flows(), ...more];
  let text = '';
  for await (const piece of reportHtml({
    report,
    flows,
    tail: explainSlowest(run, report.statistics),
    ...(mostFlows && { mostFlows }),
  })) {
    text += piece;
  }
  return text;
}

async function show(t: ExecutionContext, text: string, options?: BrowserContextOptions, hash = '') {
  const folder = await mkdtemp(join(tmpdir(), 'microcosm-report-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'report.html');
  await writeFile(file, text);
  const { page, mishaps } = await openPage(t, browser, options);
  await page.goto(pathToFileURL(file).href + hash);
  await page.waitForSelector('html[data-ready]');
  return { page, mishaps };
}

test('what is lost is listed by instance and time, beside hosts without a log and irregular lines', async (t) => {
  const run = await simulatedRun({ topology: loadTopology('shop'), requests: 60 }, (simulation) => {
    const lost = { files: loseLines(simulation, 0.02, 3) };
    return removeFile({ files: copyFile(lost, 'web-1.log', 'web-1-old.log') }, 'reviews-1.log');
  });
  const page = (await html(run)).replaceAll(/<[^>]*>/g, ' ');
  const { processes, absent } = reportRun(run).report;
  const [losing] = processes.filter(({ stretches }) => stretches.length > 0);
  const [first] = losing?.stretches ?? [];
  t.true(page.includes(`${first?.lost} between ${first?.after?.slice(11, 23)} and ${first?.before?.slice(11, 23)}`));
  t.regex(page, new RegExp(`reviews-1 +– +0 +no log +called ${absent[0]?.calls} times, `));
  t.regex(page, /a copy of web-1\.log +\d+ +web-1-old\.log +web-1 /);
});

const openFlow = (page: Page) => page.locator('dialog[open]');

inBrowser(title('the page shows the run by itself: no request, no error, numbers as in the report'), async (t) => {
  const run = await troubledShop();
  const { page, mishaps } = await show(t, await html(run));
  const { statistics } = reportRun(run).report;
  t.is(
    await page
      .locator('.card dd')
      .first()
      .evaluate((node) => node.firstChild?.textContent),
    `${statistics.flows}`,
  );
  t.is(await page.locator('table.endpoints tbody tr').count(), statistics.endpoints.size);
  t.is(await page.locator('#count').textContent(), `${statistics.flows} flows`);
  t.deepEqual(mishaps, []);
});

inBrowser(title('the keyboard is enough: search, move, open, learn more, close'), async (t) => {
  const { page, mishaps } = await show(t, await html(await troubledShop()));
  await page.keyboard.press('/');
  t.is(await page.evaluate('document.activeElement.id'), 'search');
  await page.keyboard.type('POST /checkout >1');
  // The list is what was searched for at once, not some moments after the last letter.
  await page.keyboard.press('Enter');
  t.regex((await page.locator('#count').textContent()) ?? '', /^\d+ of /);
  t.is(await page.evaluate('document.activeElement.id'), 'grid');
  await page.keyboard.press('ArrowDown');
  t.is(await page.locator('#grid').getAttribute('aria-activedescendant'), 'row-1');
  await page.keyboard.press('Enter');
  t.is(await openFlow(page).locator('h2').textContent(), 'POST /checkout');
  t.regex(await page.evaluate('location.hash'), /^#flow=[0-9a-f]{32}$/);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  t.true((await openFlow(page).locator('.details').textContent())?.includes('Request id'));
  await page.keyboard.press('Escape');
  await openFlow(page).waitFor({ state: 'detached' });
  await page.waitForFunction("document.activeElement.id === 'grid' && location.hash === ''");
  await page.goBack();
  await openFlow(page).waitFor();
  t.deepEqual(mishaps, []);
});

inBrowser(
  title('a link leads straight to a flow, and its waterfall has every span and every failed attempt'),
  async (t) => {
    const run = await troubledShop();
    const flow = [...run.flows()].find(
      ({ root }) => root.calls.some(({ child }) => child === null) && root.calls.length > 2,
    );
    if (!flow) return t.fail('the run has no such flow');
    const { page } = await show(t, await html(run), {}, `#flow=${flow.traceId}`);
    const rows = openFlow(page).locator('tr.line');
    const unanswered = flow.root.calls.filter(({ child }) => child === null);
    t.true((await rows.count()) > flow.root.calls.length);
    t.is(
      (await openFlow(page).locator('.wire-only.failed').count()) > 0,
      unanswered.some(({ error }) => error !== null),
    );
    t.true((await openFlow(page).locator('.path').count()) > 1);
  },
);

inBrowser(title('sorting, filters and services choose what is listed'), async (t) => {
  const run = await troubledShop();
  const flows = [...run.flows()];
  const { page } = await show(t, await html(run));
  await page.getByRole('button', { name: 'Duration' }).click();
  const slowest = Math.max(...flows.map(({ durationMs }) => durationMs ?? 0));
  await page.locator('#row-0').click();
  const shown = (await openFlow(page).locator('.facts').textContent()) ?? '';
  const expected = flows.find(({ durationMs }) => durationMs === slowest);
  t.true(shown.includes(expected?.traceId ?? '?'));
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: /^Failed/ }).click();
  const failed = flows.filter(({ status }) => status === null || status >= 500).length;
  t.is(await page.locator('#count').textContent(), `${failed} of ${flows.length} flows`);
  await page.getByRole('button', { name: /^Failed/ }).click();
  await page.getByRole('button', { name: /^payments/ }).press('Enter');
  t.true((await page.locator('#count').textContent())?.endsWith(` of ${flows.length} flows`));
});

inBrowser(title('what a log says never becomes markup, nor runs'), async (t) => {
  const run = await troubledShop(10);
  const hostile = hostileFlow();
  const { page, mishaps } = await show(t, await html(run, [hostile]), {}, `#flow=${hostile.traceId}`);
  t.is(await page.locator('img').count(), 0);
  t.is(await page.evaluate('document.scripts.length'), 3);
  t.true((await openFlow(page).locator('h2').textContent())?.includes('<img src=x onerror="alert(1)">'));
  for (const row of await openFlow(page).locator('tr.line').all()) await row.click();
  t.is(await page.locator('img').count(), 0);
  t.true((await openFlow(page).textContent())?.includes(HOSTILE.slice(0, 30)));
  t.deepEqual(mishaps, []);
});

inBrowser(title("the page's own policy stops scripts and requests that are not its own"), async (t) => {
  const text = (await html(await troubledShop(5))).replace('<main>', '<main><script>window.foreign = 1</script>');
  const { page, mishaps } = await show(t, text);
  t.is(await page.evaluate('window.foreign'), undefined);
  const refused = await page.evaluate("fetch('data:text/plain,x').then(() => false, () => true)");
  t.true(refused);
  t.true(mishaps.length >= 2 && mishaps.every((each) => each.includes('Content Security Policy')));
});

for (const [colorScheme, width] of [
  ['light', 1280],
  ['dark', 1280],
  ['light', 390],
] as const) {
  inBrowser(
    title(`nothing stands in the way of assistive technology, contrast included (${colorScheme}, ${width} px)`),
    async (t) => {
      const run = await troubledShop(60);
      const { page } = await show(t, await html(run), {
        colorScheme,
        bypassCSP: true,
        viewport: { width, height: 800 },
      });
      await page.addScriptTag({ path: require.resolve('axe-core') });
      const violations = async () =>
        page.evaluate(async () => {
          const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: AxeViolation[] }> } };
          const found = (await axe.run()).violations;
          return found.map(
            ({ id, nodes }) =>
              `${id}: ${nodes
                .map((node) => node.html.slice(0, 160))
                .slice(0, 3)
                .join(' | ')}`,
          );
        });
      t.deepEqual(await violations(), []);
      await page.getByRole('button', { name: /^Failed/ }).click();
      await page.locator('#row-0').click();
      t.deepEqual(await violations(), []);
      // With all that can be unfolded, and with what a row in focus brings about.
      const row = openFlow(page).locator('tr.line', { hasText: 'order unproved' }).first();
      await row.click();
      await row.focus();
      await openFlow(page).locator('.orders summary').click();
      t.deepEqual(await violations(), []);
    },
  );
}

interface AxeViolation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

inBrowser(
  title('a narrow screen has all of a flow in its width, texts that can be read, and no sideways scrolling'),
  async (t) => {
    const { page } = await show(t, await html(await troubledShop(40)), { viewport: { width: 360, height: 740 } });
    const fits = (selector: string) =>
      page.evaluate((wanted) => {
        const { document, innerWidth } = globalThis as unknown as Window;
        return [...document.querySelectorAll(wanted)].every((node) => node.getBoundingClientRect().right <= innerWidth);
      }, selector);
    t.true(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'));
    t.true(await fits('.rows .row > div'));
    const heights = await page
      .locator('.chart:visible text')
      .evaluateAll((texts) => (texts as unknown as Element[]).map((text) => text.getBoundingClientRect().height));
    t.true(heights.length > 10 && heights.every((height) => height > 9), `${heights}`);
    await page.locator('#row-0').click();
    t.true(await fits('.waterfall .line, .waterfall .bars, .facts dd, .close'));
    t.true(await page.evaluate("document.querySelector('.flow-body').scrollWidth <= innerWidth"));
  },
);

interface Element {
  getBoundingClientRect(): { readonly right: number; readonly height: number; readonly top: number };
}

interface Window {
  readonly innerWidth: number;
  readonly document: { querySelectorAll(selector: string): Iterable<Element> };
}

inBrowser(title('the way out of a long flow and its axis stay in sight'), async (t) => {
  const services = {
    web: { edge: true, steps: [{ call: 'leaf', count: 150 }] },
    leaf: { latencyMs: 1 },
  };
  const run = await simulatedRun({
    topology: resolve({ name: 'long', seed: 'a', services } as never, 'long'),
    requests: 1,
  });
  const { page } = await show(t, await html(run), { viewport: { width: 1280, height: 700 } });
  await page.locator('#row-0').click();
  await page.keyboard.press('End');
  t.regex((await page.evaluate<string>('document.activeElement.textContent')) ?? '', /leaf GET/);
  for (const part of ['.close', '.waterfall thead .axis', 'tr.line:last-child']) {
    t.true(
      await openFlow(page)
        .locator(part)
        .evaluate((node) => {
          const { top, bottom } = (
            node as unknown as { getBoundingClientRect(): Record<string, number> }
          ).getBoundingClientRect();
          return (top as number) >= 0 && (bottom as number) <= 700;
        }),
      part,
    );
  }
});

inBrowser(title('a list is as high as its flows; where there is none that is said'), async (t) => {
  const run = await troubledShop(3);
  const { page } = await show(t, await html(run));
  t.true(((await page.locator('#grid').boundingBox())?.height ?? 0) < 250);
  const nothing = { ...run, *batches() {}, *flows() {} } as Run;
  const { page: empty } = await show(t, await html(nothing));
  t.is(await empty.locator('.empty').textContent(), 'This run has no flow.');
});

inBrowser(title('on paper nothing is cut off, and the list is as long as it says'), async (t) => {
  const { page } = await show(t, await html(await troubledShop(150)), { viewport: { width: 720, height: 1000 } });
  const open = await page.locator('.warnings').evaluate((node) => (node as unknown as { open: boolean }).open);
  t.false(open);
  await page.emulateMedia({ media: 'print' });
  await page.evaluate("dispatchEvent(new Event('beforeprint'))");
  await page.waitForFunction("document.querySelectorAll('.rows .row').length === 100");
  t.is(await page.locator('.on-paper').textContent(), 'On paper: the first 100.');
  t.true(await page.locator('.on-paper').isVisible());
  t.true(await page.locator('.warnings li').first().isVisible());
  t.true(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'));
  await page.emulateMedia({ media: 'screen' });
  await page.locator('#row-1').click();
  await page.emulateMedia({ media: 'print' });
  const { height = 0 } = (await page.locator('dialog').boundingBox()) ?? {};
  t.true(
    height >=
      (await page.locator('.flow-body').evaluate((node) => (node as unknown as { scrollHeight: number }).scrollHeight)),
  );
  t.true(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth + 1'));
});

inBrowser(title('where the system takes colours away, what is chosen can still be told'), async (t) => {
  const { page } = await show(t, await html(await troubledShop(60)), {
    forcedColors: 'active',
    reducedMotion: 'reduce',
  });
  const look = (selector: string) =>
    page
      .locator(selector)
      .first()
      .evaluate((node) => {
        const { getComputedStyle } = globalThis as unknown as {
          getComputedStyle(node: unknown): { backgroundColor: string; outlineStyle: string };
        };
        const { backgroundColor, outlineStyle } = getComputedStyle(node);
        return `${backgroundColor} ${outlineStyle}`;
      });
  const chip = page.getByRole('button', { name: /^Failed/ });
  await chip.click();
  t.not(await look('.chip[aria-pressed="true"]'), await look('.chip[aria-pressed="false"]'));
  await page.locator('#search').press('Enter');
  t.true((await look('.row.cursor')).endsWith('solid'));
});

inBrowser(title('skewed clocks are reported, and what they leave open is drawn'), async (t) => {
  const run = await simulatedRun({
    topology: loadTopology('shop'),
    requests: 60,
    hostOf: (instance) => instance,
    clocks: { 'catalog-1': { offsetMs: 5_000 }, 'orders-1': { offsetMs: -3_000 } },
  });
  const { page, mishaps } = await show(t, await html(run));
  const row =
    (await page
      .locator('section', { has: page.locator('#clocks') })
      .locator('tr', { hasText: 'catalog-1' })
      .textContent()) ?? '';
  t.regex(row, /[45][0-9]{3}(\.[0-9]+)? ms/);
  await page.getByRole('button', { name: 'Spans' }).click();
  await page.locator('#row-0').click();
  t.true((await openFlow(page).locator('.bars .doubt').count()) > 0);
  const id = (await openFlow(page).locator('.facts').textContent()) ?? '';
  const flow = [...run.flows()].find(({ traceId }) => id.includes(traceId));
  const open = flow?.orderings.filter(({ proof }) => proof === null) ?? [];
  t.true(open.length > 0);
  t.is(
    await openFlow(page).locator('.bars .unproved').count(),
    new Set(open.map(({ second }) => `${second.requestId} ${second.at}`)).size,
  );
  t.is(
    await openFlow(page).locator('tr.line', { hasText: 'order unproved' }).count(),
    new Set(open.map(({ second }) => second.requestId)).size,
  );
  t.deepEqual(mishaps, []);
});

inBrowser(title('each order within clock error is told with both events, by pointer, keyboard and list'), async (t) => {
  const run = await simulatedRun({
    topology: loadTopology('shop'),
    requests: 60,
    hostOf: (instance) => instance,
    clocks: { 'inventory-1': { offsetMs: 40, source: 'unknown' }, 'orders-1': { offsetMs: -3_000 } },
  });
  const flow = [...run.flows()].reduce((most, each) => (openOf(each).length > openOf(most).length ? each : most));
  const [pair] = openOf(flow);
  if (!pair) return t.fail('the run has no open ordering');
  const { page, mishaps } = await show(t, await html(run), {}, `#flow=${flow.traceId}`);
  const dialog = openFlow(page);
  t.regex(
    (await dialog.locator('.orders summary').textContent()) ?? '',
    new RegExp(`^${openOf(flow).length} of ${flow.orderings.length} orders between hosts`),
  );
  await dialog.locator('.orders summary').click();
  t.is(await dialog.locator('.orders tbody tr').count(), openOf(flow).length);
  const row = dialog.locator('.orders tbody tr').first();
  t.regex((await row.textContent()) ?? '', new RegExp(`${pair.first.at} of ${pair.first.instance}.*± `));
  // The list leads to the waterfall, where the other side is marked, linked and named.
  await row.locator('button').press('Enter');
  const focused = await page.evaluate(
    'document.activeElement.matches("tr.line") && document.activeElement.textContent',
  );
  t.true(`${focused}`.includes(pair.first.instance));
  t.regex(`${focused}`, new RegExp(`the ${pair.second.at} of ${pair.second.instance} .* is not proved`));
  const partners = dialog.locator('tr.line.partner');
  t.true((await partners.filter({ hasText: pair.second.instance }).count()) > 0);
  t.true((await dialog.locator('.links path').count()) > 0);
  const note = dialog.locator('.order-note');
  t.true((await note.textContent())?.includes(`${pair.second.instance} `));
  t.regex((await note.textContent()) ?? '', /is not proved: .* clocks known to ±/);
  await page.keyboard.press('Home');
  await dialog.locator('tr.line', { hasText: 'order unproved' }).first().hover();
  t.true((await partners.count()) > 0);
  t.deepEqual(mishaps, []);
});

const openOf = ({ orderings }: Flow) => orderings.filter(({ proof }) => proof === null);

inBrowser(title('a fault is named by its kind, where it struck'), async (t) => {
  const run = await troubledShop(5);
  const [flow] = run.flows();
  if (!flow) return t.fail('the run has no flow');
  const fault = {
    id: 'f1',
    type: 'latency',
    source: 'live',
    at: 'before',
    args: { latencyMs: 50 },
    offsetMs: (flow.durationMs ?? 0) / 2,
  } as SpanFault;
  const struck = { ...flow, traceId: 'f'.repeat(32), root: { ...flow.root, faults: [fault] } };
  const { page } = await show(t, await html(run, [struck]), {}, `#flow=${struck.traceId}`);
  const row = openFlow(page).locator('tr.line', { hasText: 'fault latency' });
  t.true(Number.parseFloat((await row.locator('circle.fault').getAttribute('cx')) ?? '') > 10);
  await row.click();
  t.true(
    (await openFlow(page).locator('.details').textContent())?.includes('latency, latencyMs 50, id f1, source live'),
  );
});

test('what the slowest flows have in common is told where there are enough of them', async (t) => {
  const services = {
    web: { edge: true, steps: [{ call: 'slow' }] },
    slow: { latencyMs: { lognormal: { median: 5, sigma: 1 } } },
  };
  const topology = resolve({ name: 'small', seed: 'a', services } as never, 'small');
  const section = async (requests: number) => {
    const page = await html(await simulatedRun({ topology, requests }));
    return /<section aria-labelledby="tail">.*?<\/section>/s.exec(page)?.[0].replaceAll(/<[^>]*>/g, ' ');
  };
  t.regex((await section(600)) ?? '', /\d+ flows took .*in slow GET \/ +\d+ % /s);
  t.is(await section(100), undefined);
});

test('of a run with more flows than the page lists, the failed and slowest stay, and the page says so', async (t) => {
  const run = await troubledShop(200);
  const text = await html(run, [], 50);
  const head = JSON.parse(/id="data">(.*?)<\/script>/.exec(text)?.[1] ?? '').head;
  t.true(head.flows > 25 && head.flows <= 50);
  t.regex(text, /The list has \d+ of \d+ flows/);
});

test('a run without a flow is a page too', async (t) => {
  const run = await troubledShop(1);
  const nothing = { ...run, *batches() {}, *flows() {} } as Run;
  t.regex(await html(nothing), /<dd>0<small>/);
});

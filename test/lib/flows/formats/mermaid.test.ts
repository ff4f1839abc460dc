import test from 'ava';
import type { Browser } from 'playwright-core';
import { mermaid } from '../../../../lib/flows/formats/mermaid';
import { CHROMIUM, launchChromium, NO_CHROMIUM, openPage } from '../../../support/chromium';
import { HOSTILE, hostileFlow, troubledShop } from '../../../support/sample-flows';

let browser: Browser;
test.before(async () => {
  if (CHROMIUM) browser = await launchChromium();
});
test.after.always(() => browser?.close());
const inBrowser = CHROMIUM ? test : test.skip;
const title = (text: string) => (CHROMIUM ? text : `${text} (${NO_CHROMIUM})`);

interface Parser {
  parseFromString(
    text: string,
    type: string,
  ): { querySelectorAll(selector: string): { length: number }; body: { textContent: string | null } };
}

interface Mermaid {
  initialize(options: object): void;
  parse(text: string): Promise<{ diagramType: string }>;
  render(id: string, text: string): Promise<{ svg: string }>;
}

inBrowser(title('Mermaid itself draws flows of all shapes, hostile texts as texts'), async (t) => {
  const { page, mishaps } = await openPage(t, browser);
  await page.addScriptTag({ path: require.resolve('@mermaid-js/tiny') });
  const flows = [...(await troubledShop(60)).flows(), hostileFlow()];
  for (const [index, flow] of flows.entries()) {
    const drawn = await page.evaluate(
      async ({ text, id }) => {
        const own = (globalThis as unknown as { mermaid: Mermaid }).mermaid;
        own.initialize({ startOnLoad: false, securityLevel: 'strict' });
        const { diagramType } = await own.parse(text);
        const { svg } = await own.render(id, text);
        const holder = new (globalThis as unknown as { DOMParser: new () => Parser }).DOMParser().parseFromString(
          svg,
          'text/html',
        );
        return {
          diagramType,
          messages: holder.querySelectorAll('.messageText').length,
          scripts: holder.querySelectorAll('script, img, [onerror]').length,
          text: holder.body.textContent ?? '',
        };
      },
      { text: mermaid(flow), id: `d${index}` },
    );
    t.is(drawn.diagramType, 'sequence');
    t.is(drawn.scripts, 0);
    t.true(drawn.messages > 0, mermaid(flow));
    for (const call of flow.root.calls)
      if (call.child && call.status) t.true(drawn.text.includes(`${call.status}`), mermaid(flow));
    if (flow.root.service === HOSTILE) t.true(drawn.text.includes('<img src=x onerror="alert(1)">'), drawn.text);
  }
  t.deepEqual(mishaps, []);
});

test('a request that is answered is an arrow there and one back', async (t) => {
  const run = await troubledShop(30);
  for (const flow of run.flows()) {
    const lines = mermaid(flow).split('\n');
    const answered = lines.filter((line) => line.includes('-->>')).length;
    t.true(lines.filter((line) => line.includes('->>') && !line.includes('-->>')).length >= answered);
  }
});

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';

/** The app as the CDK's command line runs it, without the command line. */
function runApp(context: object, environment: Readonly<Record<string, string>> = {}) {
  const outdir = mkdtempSync(join(tmpdir(), 'microcosm-app-'));
  const { app, context: flags } = JSON.parse(readFileSync('cdk.json', 'utf8'));
  const [, ...args] = app.split(' ');
  const env = {
    ...environment,
    PATH: process.env.PATH,
    CDK_OUTDIR: outdir,
    CDK_CONTEXT_JSON: JSON.stringify({ ...flags, ...context }),
  };
  return new Promise<{ code: number; stderr: string; outdir: string }>((resolve) => {
    const child = execFile(process.execPath, args, { env, maxBuffer: 1e8 }, (_error, _stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stderr, outdir }),
    );
  });
}

test('the app synthesises shop with the real program, and every rule on', async (t) => {
  const { code, stderr, outdir } = await runApp({ topology: 'shop', clients: '203.0.113.7/32' });
  t.is(code, 0, stderr);
  t.true(existsSync(join(outdir, 'Microcosm-shop.template.json')));
  const { files } = JSON.parse(readFileSync(join(outdir, 'Microcosm-shop.assets.json'), 'utf8'));
  const sources = Object.values(files as Record<string, { source: { path: string }; destinations: object }>);
  t.true(sources.length > 14);
  for (const { source, destinations } of sources) {
    t.true(existsSync(join(outdir, source.path)), source.path);
    t.true(JSON.stringify(destinations).includes('"objectKey":"microcosm/shop/'));
  }
  t.notRegex(stderr, /WARNING|ERROR/);
});

test('wrong settings and an unknown topology are a readable line each, without a stack trace', async (t) => {
  const settings = await runApp({ retention: '8' });
  t.is(settings.code, 2);
  t.deepEqual(
    settings.stderr
      .trim()
      .split('\n')
      .map((line) => line.split(':')[0]),
    ['-c topology', '-c retention'],
  );
  const unknown = await runApp({ topology: 'shopp' });
  t.is(unknown.code, 2);
  t.regex(unknown.stderr, /^shopp: .*shop/);
  t.notRegex(unknown.stderr, /\n\s+at /);
});

test('a second synthesis, of what the first has remembered, makes the same', async (t) => {
  const template = ({ outdir }: { readonly outdir: string }): string =>
    readFileSync(join(outdir, 'Microcosm-single.template.json'), 'utf8');
  // Tests beside this one use the usual folder meanwhile.
  const cache = mkdtempSync(join(tmpdir(), 'microcosm-cache-'));
  t.teardown(() => rmSync(cache, { recursive: true, force: true }));
  const run = () => runApp({ topology: 'single' }, { MICROCOSM_TYPESCRIPT_CACHE: cache });
  const [first, remembered, second] = [await run(), readdirSync(cache).length, await run()];
  t.is(first.code, 0, first.stderr);
  t.true(remembered > 10);
  t.is(template(second), template(first));
});

test('a topology of another folder loads, in TypeScript too, and a mistake in it is said with its line', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-elsewhere-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const good = join(folder, 'mine.ts');
  const lines = [
    'interface Unused { readonly a: string }',
    'const spec: object = { services: { web: { edge: true } } };',
  ];
  writeFileSync(good, [...lines, 'export default spec;'].join('\n'));
  t.is((await runApp({ topology: good })).code, 0);
  const bad = join(folder, 'bad.ts');
  writeFileSync(bad, [...lines, 'throw new Error("no");', 'export default spec;'].join('\n'));
  const { code, stderr } = await runApp({ topology: bad });
  t.is(code, 2);
  t.regex(stderr, /bad\.ts: does not load: no \(line 3\)/);
});

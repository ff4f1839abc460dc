import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';

const ROOT = join(__dirname, '..', '..');
const TS_NODE = require.resolve('ts-node/dist/bin.js');

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function folder(t: ExecutionContext, name: string): string {
  const path = mkdtempSync(join(tmpdir(), `microcosm-${name}-`));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** As `npx ts-node tools/...` does. */
function runByTsNode(args: readonly string[], cache: string): Promise<Ended> {
  const env = { ...process.env, MICROCOSM_TYPESCRIPT_CACHE: cache };
  return new Promise((done) => {
    execFile(process.execPath, [TS_NODE, ...args], { cwd: ROOT, env }, (error, stdout, stderr) => {
      done({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

test('a command that ts-node runs is compiled once', async (t) => {
  const cache = folder(t, 'cache');
  const first = await runByTsNode(['tools/timeline.ts', '--help'], cache);
  t.is(first.code, 0, first.stderr);
  const remembered = join(cache, 'tools+timeline.ts.js');
  writeFileSync(remembered, readFileSync(remembered, 'utf8').replace('Rebuilds every', 'Remembers every'));
  const second = await runByTsNode(['tools/timeline.ts', '--help'], cache);
  t.is(second.stdout, first.stdout.replace('Rebuilds every', 'Remembers every'));
  t.not(second.stdout, first.stdout);
});

test("a mistake is said with its line by ts-node's commands too, compiled now or before, here or elsewhere", async (t) => {
  const cache = folder(t, 'cache');
  const bad = join(folder(t, 'elsewhere'), 'bad.ts');
  writeFileSync(bad, 'interface Unused { readonly a: string }\n\nthrow new Error("no");\nexport default {};\n');
  for (const time of ['first', 'second']) {
    const { code, stderr } = await runByTsNode(['tools/topology.ts', bad], cache);
    t.is(code, 2, time);
    t.regex(stderr, /bad\.ts: does not load: no \(line 3\)/, time);
  }
});

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';

const root = join(__dirname, '..', '..');

function run(tool: string, ...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const command = ['-r', './bin/typescript.cjs', join('tools', `${tool}.ts`), ...args];
    const child = execFile(process.execPath, command, { cwd: root }, (_error, stdout, stderr) => {
      done({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

test('the command describes a topology as text, JSON and Mermaid', async (t) => {
  const [text, json, mermaid] = await Promise.all([
    run('topology', 'shop'),
    run('topology', 'shop', '--format', 'json'),
    run('topology', 'shop', '--format', 'mermaid'),
  ]);
  t.deepEqual([text.code, json.code, mermaid.code], [0, 0, 0]);
  t.regex(text.stdout, /^shop: 13 services, 17 instances/);
  const description = JSON.parse(json.stdout);
  t.is(description.topology, 'shop');
  t.is(description.services.length, 13);
  t.regex(mermaid.stdout, /^---\ntitle: shop\n---\nflowchart LR\n/);
});

test('faults of a topology are lines on standard error, and the exit code is 2', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-topology-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'bad.yaml');
  writeFileSync(path, 'services: { web: { edge: true, calls: [b, c] }, b: { latencyMs: -1 } }');
  const { code, stdout, stderr } = await run('topology', path);
  t.is(code, 2);
  t.is(stdout, '');
  const lines = stderr.split('\n').filter((line) => line.includes(path));
  t.is(lines.length, 2, stderr);
  t.notRegex(stderr, /\n {4}at /);
});

test('a generated topology is one that the command takes', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-topology-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const generated = await run('generate', '--services', '30', '--seed', 'x');
  t.is(generated.code, 0, generated.stderr);
  writeFileSync(join(folder, 'huge.json'), generated.stdout);
  const { code, stdout } = await run('topology', join(folder, 'huge.json'));
  t.is(code, 0);
  t.regex(stdout, /^huge: 30 services/);
  t.is((await run('generate', '--services', '3')).code, 2);
  t.is((await run('generate', '--services', 'x')).code, 2);
});

test('the plan of a deployment on AWS is text or JSON, and what can not be deployed ends with 1', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-plan-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const hidden = join(folder, 'hidden.json');
  writeFileSync(
    hidden,
    JSON.stringify({
      services: { a: { edge: true, calls: ['b', 'c'] }, b: { replicas: 1_000 }, c: { replicas: 1_000 } },
    }),
  );
  const [text, json, tooMany] = await Promise.all([
    run('topology', 'shop', '--aws'),
    run('topology', 'shop', '--aws', '--json'),
    run('topology', hidden, '--aws'),
  ]);
  t.regex(text.stdout, /^Microcosm-shop: 17 hosts/);
  t.is(JSON.parse(json.stdout).instances, 17);
  t.deepEqual([text.code, json.code, tooMany.code], [0, 0, 1]);
  t.regex(tooMany.stderr, /^services: 2001 instances are more than the 2000/);
});

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { loadTopology, topologyNames } from '../../../lib/model/load-topology';
import { UserError } from '../../../lib/model/user-error';

const root = join(__dirname, '..', '..', '..');
const spec = join(root, 'lib', 'model', 'spec');

/** A folder outside the project with the files given. */
function folder(t: ExecutionContext, files: Readonly<Record<string, string>>): string {
  const cwd = mkdtempSync(join(tmpdir(), 'microcosm-load-'));
  t.teardown(() => rmSync(cwd, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(cwd, name)), { recursive: true });
    writeFileSync(join(cwd, name), text);
  }
  return cwd;
}

function failure(t: ExecutionContext, nameOrPath: string, cwd: string): string {
  return t.throws(() => loadTopology(nameOrPath, { cwd }), { instanceOf: UserError })?.message ?? '';
}

const YAML = 'services:\n  web: { edge: true, calls: [b] }\n  b: {}\n';
const JSON_TEXT = '{ "$schema": "schema.json", "services": { "web": { "edge": true, "calls": ["b"] }, "b": {} } }';
const TYPESCRIPT = `import { topology } from '${spec}';\nexport default topology({ services: { web: { edge: true, calls: ['b'] }, b: {} } });`;

test('a topology is the same value from TypeScript, JavaScript, JSON and YAML, by name and by path', (t) => {
  const cwd = folder(t, {
    'topologies/one.ts': TYPESCRIPT,
    'topologies/two.json': JSON_TEXT,
    'topologies/three.yaml': YAML,
    'topologies/four.yml': YAML,
    'topologies/schema.json': '{}',
    'else/five.ts': TYPESCRIPT,
    'else/six.js': `module.exports = ${JSON_TEXT};`,
    'else/seven.mjs': `export default ${JSON_TEXT};`,
    'module/package.json': '{ "type": "module" }',
    'module/eight.ts': TYPESCRIPT,
  });
  t.deepEqual(topologyNames({ cwd }), ['four', 'one', 'three', 'two']);
  const expected = loadTopology('one', { cwd });
  t.is(expected.name, 'one');
  for (const given of [
    'two',
    'three',
    'four',
    './else/five.ts',
    join(cwd, 'else/six.js'),
    'else/seven.mjs',
    'module/eight.ts',
  ]) {
    const loaded = loadTopology(given, { cwd });
    t.deepEqual({ ...loaded, name: '', seed: '' }, { ...expected, name: '', seed: '' }, given);
    t.is(loaded.name, given.replace(/^.*\/|\.\w+$/g, '').replace(/\.\w+$/, ''));
  }
});

test('a file that has changed is read anew', (t) => {
  const cwd = folder(t, { 'a.ts': TYPESCRIPT });
  t.is(loadTopology('a.ts', { cwd }).services.web?.replicas, 1);
  writeFileSync(join(cwd, 'a.ts'), TYPESCRIPT.replace('edge: true', 'edge: true, replicas: 3'));
  t.is(loadTopology('a.ts', { cwd }).services.web?.replicas, 3);
});

test('an unknown name is answered with the nearest and with all there are', (t) => {
  const cwd = folder(t, { 'topologies/shop.yaml': YAML, 'topologies/chain.yaml': YAML });
  t.regex(failure(t, 'shpo', cwd), /^shpo: no topology of that name, did you mean shop\?; there are chain, shop/);
  t.regex(failure(t, 'shop.json', cwd), /^shop.json: no such file; .*chain, shop/);
  t.regex(failure(t, '', folder(t, {})), /^topology: the name is empty; put one into /);
});

test('a name that two files have is refused', (t) => {
  const cwd = folder(t, { 'topologies/shop.yaml': YAML, 'topologies/shop.json': JSON_TEXT });
  t.regex(failure(t, 'shop', cwd), /both shop.json and shop.yaml exist/);
});

test('each fault is told with its file', (t) => {
  const cwd = folder(t, { 'Bad_.yaml': 'services: { web: { edge: true, calls: [c], replicas: 0 } }' });
  t.deepEqual(
    failure(t, 'Bad_.yaml', cwd)
      .split('\n')
      .map((line) => line.split(': ').slice(0, 2).join(': ')),
    ['Bad_.yaml: services.web.replicas', 'Bad_.yaml: name', 'Bad_.yaml: services.web.calls[0]'],
  );
});

test('a file that does not load is one readable line', (t) => {
  const cwd = folder(t, {
    'syntax.ts': 'export default {\n  services: {',
    'throws.ts': 'const x: any = undefined;\nexport default x.services;',
    'none.ts': 'export const services = {};',
    'missing.ts': "import './nowhere';\nexport default {};",
    'broken.json': '{ "services": ',
    'broken.yaml': 'services:\n  web: {\n  a: b: c\n',
    'plain.txt': 'services',
  });
  const lines = {
    'syntax.ts': /^syntax.ts: does not load: .*'}' expected/,
    'throws.ts': /^throws.ts: does not load: Cannot read properties of undefined \(reading 'services'\) \(line 2\)/,
    'none.ts': /^none.ts: has no default export; write/,
    'missing.ts': /^missing.ts: does not load: Cannot find module '.\/nowhere'/,
    'broken.json': /^broken.json: .*JSON.*; correct the JSON$/,
    './plain.txt': /^.\/plain.txt: is not of a kind that a topology is written in; use one of/,
  };
  for (const [file, line] of Object.entries(lines)) {
    const message = failure(t, file, cwd);
    t.regex(message, line);
    t.false(message.includes('\n'), message);
  }
  for (const line of failure(t, 'broken.yaml', cwd).split('\n'))
    t.regex(line, /^broken.yaml:\d+:\d+: .*; correct the YAML$/);
});

test('a command loads a TypeScript topology from a folder outside the project', (t) => {
  const cwd = folder(t, { 'mine.ts': TYPESCRIPT });
  const script = `process.stdout.write(require('${join(root, 'lib/model/load-topology')}').loadTopology('mine.ts').name)`;
  t.is(
    execFileSync(process.execPath, ['-r', join(root, 'node_modules/ts-node/register'), '-e', script], {
      cwd,
      encoding: 'utf8',
      env: { ...process.env, TS_NODE_PROJECT: join(root, 'tsconfig.json') },
    }),
    'mine',
  );
});

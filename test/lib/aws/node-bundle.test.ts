import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { bundleNode } from '../../../lib/aws/node-bundle';

test('the bundle is kept until something that it was made of has changed', (t) => {
  const cache = mkdtempSync(join(tmpdir(), 'microcosm-bundle-'));
  t.teardown(() => rmSync(cache, { recursive: true, force: true }));
  const file = join(cache, 'node-bundle.json');
  const program = bundleNode(cache);
  t.true(program.length > 100_000);
  const kept = JSON.parse(readFileSync(file, 'utf8'));
  for (const input of [
    'package-lock.json',
    'service/main.ts',
    'lib/model/slice.ts',
    'node_modules/koa/lib/application.js',
  ]) {
    t.true(kept.inputs.includes(input), input);
  }

  writeFileSync(file, JSON.stringify({ ...kept, program: 'as kept' }));
  t.is(bundleNode(cache), 'as kept');
  writeFileSync(file, JSON.stringify({ ...kept, program: 'as kept', inputs: [...kept.inputs, 'README.md'] }));
  t.is(bundleNode(cache), program, 'another hash');
  writeFileSync(file, '{"inputs":[');
  t.is(bundleNode(cache), program, 'cut short');
});

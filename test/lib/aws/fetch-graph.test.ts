import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';

const SCRIPT = readFileSync('lib/aws/host/fetch-graph.sh', 'utf8');

/** The script beside an `aws` command that reads the parameter, and the object that it names, from files. */
function host() {
  const place = mkdtempSync(join(tmpdir(), 'microcosm-graph-'));
  const at = (name: string): string => join(place, name);
  writeFileSync(at('contract.sh'), `GRAPH_FILE=${at('graph.json')}\n`);
  writeFileSync(at('fetch-graph.sh'), SCRIPT);
  const aws = `#!/bin/bash
set -e
echo "$*" >>${at('calls')}
if [[ $1 == ssm ]]; then cat ${at('parameter')}; else cp "${place}/\${4#s3://bucket/}" "$5"; fi
`;
  writeFileSync(at('aws'), aws, { mode: 0o755 });
  const env = { PATH: `${place}:${process.env.PATH}`, GRAPH_PARAMETER: '/microcosm/shop/graph' };
  return {
    deploy(name: string, graph?: object) {
      if (graph) writeFileSync(at(name), JSON.stringify(graph));
      writeFileSync(at('parameter'), `bucket/${name}\n`);
    },
    fetch: () =>
      new Promise<number>((resolve) => {
        execFile('bash', [at('fetch-graph.sh')], { env }).on('close', (code) => resolve(code ?? -1));
      }),
    graph: () => JSON.parse(readFileSync(at('graph.json'), 'utf8')),
    mode: () => statSync(at('graph.json')).mode & 0o777,
    calls: () => readFileSync(at('calls'), 'utf8').trim().split('\n'),
  };
}

test('a host fetches the calls that the parameter leads to, once for each deployment that changes them', async (t) => {
  const { deploy, fetch, graph, mode, calls } = host();
  deploy('one.json', { web: ['a'], a: [] });
  t.is(await fetch(), 0);
  t.deepEqual(graph(), { web: ['a'], a: [] });
  t.is(mode(), 0o644, 'the node reads it, as a user of its own');
  t.is(await fetch(), 0);
  const copies = () => calls().filter((call) => call.startsWith('s3 cp ')).length;
  t.is(copies(), 1);
  deploy('two.json', { web: ['a'], a: ['b'], b: [] });
  t.is(await fetch(), 0);
  t.deepEqual(graph().a, ['b']);
  t.is(copies(), 2);
  deploy('one.json');
  t.is(await fetch(), 0);
  t.deepEqual(graph().a, [], 'a deployment that is rolled back takes them back');
});

test('what can not be fetched leaves the calls that are there, and is tried again', async (t) => {
  const { deploy, fetch, graph } = host();
  deploy('one.json', { web: ['a'], a: [] });
  await fetch();
  deploy('two.json');
  t.not(await fetch(), 0);
  t.deepEqual(graph(), { web: ['a'], a: [] });
  deploy('two.json', { web: [] });
  t.is(await fetch(), 0);
  t.deepEqual(graph(), { web: [] });
});

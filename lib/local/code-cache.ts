import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { sliceOf } from '../model/slice';
import type { Topology } from '../model/topology';
import { startDnsServer } from './dns-server';
import { type NodeBundle, nodeVariables, startNodeProcess } from './node-process';

const START_TIMEOUT_MS = 60_000;

/**
 * Has V8 write down the compiled form of the bundle: runs it once as a node that serves a request and stops, so that
 * what a start and a first request need is in it, and nothing else.
 */
export async function makeCodeCache(bundle: NodeBundle, folder: string): Promise<void> {
  const trial = join(folder, 'trial');
  mkdirSync(trial);
  const dns = await startDnsServer({ topology: TRIAL.name });
  const slice = join(trial, 'slice.json');
  writeFileSync(slice, JSON.stringify(sliceOf(TRIAL, 'a')));
  const node = startNodeProcess({
    name: 'the trial node',
    bundle,
    nodes: 1,
    startTimeoutMs: START_TIMEOUT_MS,
    variables: {
      ...nodeVariables({
        slice,
        instance: 'a-1',
        log: join(trial, 'a-1.log'),
        address: '127.0.0.1',
        meshPort: '0',
        edgePort: '0',
        resolver: dns.address,
        clock: 'machine',
      }),
      MICROCOSM_WRITE_CODE_CACHE: '1',
    },
  });
  try {
    const [ready] = await node.ready;
    await fetchOnce(ready?.meshPort ?? 0, '/readyz');
    await fetchOnce(ready?.meshPort ?? 0, '/');
    node.kill('SIGTERM');
    await node.exited;
  } finally {
    node.kill('SIGKILL');
    await dns.close();
    rmSync(trial, { recursive: true, force: true });
  }
}

const TRIAL: Topology = {
  name: 'trial',
  seed: 'trial',
  services: {
    a: {
      name: 'a',
      role: 'foundational',
      edge: false,
      replicas: 1,
      server: 'koa',
      client: 'got',
      callees: [],
      callers: [],
      faults: [],
      endpoints: {
        'GET /': {
          key: 'GET /',
          anyMethod: true,
          method: 'GET',
          path: '/',
          weight: 1,
          deadlineMs: 10_000,
          requestBytes: null,
          responseBytes: 0,
          steps: [],
        },
      },
    },
  },
};

function fetchOnce(port: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      response.on('error', reject).on('end', resolve).resume();
    }).on('error', reject);
  });
}

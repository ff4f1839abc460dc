import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { askControl, readKey } from '../../../lib/local/control-client';
import { type LocalRun, launch } from '../../../lib/local/launch';
import { changeDeployment } from '../../../lib/local/live-change';
import { STATE } from '../../../lib/model/contract';
import type { Deployment } from '../../../lib/model/deployment';
import { setLatency } from '../../../lib/model/edit-topology';
import { resolve } from '../../../lib/model/resolve';

const cwd = mkdtempSync(join(tmpdir(), 'microcosm-scaling-'));
test.after.always(() => rmSync(cwd, { recursive: true, force: true }));

const topology = resolve({ services: { web: { edge: true, calls: ['back'] }, back: {} } }, 'scaled');

function setReplicas({ folder, deployment }: LocalRun, body: unknown, key = readKey(folder)) {
  return askControl(deployment.controlPort, 'PUT /replicas', { key, topology: 'scaled' }, body, 60_000);
}

/** What other programs read of the deployment. */
function names({ folder }: LocalRun): readonly string[] {
  const { instances } = JSON.parse(readFileSync(join(folder, STATE.deployment), 'utf8')) as Deployment;
  return instances.map(({ instance }) => instance).sort();
}

test.serial('instances come with the slice that stands, leave, and come back while they still leave', async (t) => {
  const run = await launch(topology, { cwd });
  t.teardown(() => run.kill());
  await changeDeployment(cwd, run.folder, setLatency('back', undefined, 1), () => 'slower');

  const grown = await setReplicas(run, { service: 'back', replicas: 3 });
  t.deepEqual(grown, {
    status: 200,
    body: {
      started: [
        { instance: 'back-2', taken: true },
        { instance: 'back-3', taken: true },
      ],
      left: [],
    },
  });
  t.deepEqual(names(run), ['back-1', 'back-2', 'back-3', 'web-1']);
  const scope = { key: readKey(run.folder), topology: 'scaled' };
  const second = run.deployment.instances.find(({ instance }) => instance === 'back-2');
  t.like((await askControl(second?.controlPort ?? null, 'GET /state', scope)).body, { epoch: 1, instance: 'back-2' });

  const shrunk = await setReplicas(run, { service: 'back', replicas: 1 });
  t.deepEqual(shrunk.body, { started: [], left: ['back-2', 'back-3'] });
  t.deepEqual(names(run), ['back-1', 'web-1']);

  t.is((await setReplicas(run, { service: 'back', replicas: 2 })).status, 200);
  const back = run.deployment.instances.find(({ instance }) => instance === 'back-2');
  t.is(back?.pid, second?.pid);
  t.is((await fetch(run.url)).status, 200);
  await run.stop();
  for (const instance of ['back-1', 'back-2', 'back-3']) {
    t.true(readFileSync(join(run.folder, STATE.logs, `${instance}.log`), 'utf8').includes('"SERVICE_DOWN"'), instance);
  }
});

test.serial('who has no key, or asks for what can not be, changes nothing', async (t) => {
  const notices: string[] = [];
  const run = await launch(topology, { cwd, onNotice: (line) => notices.push(line) });
  t.teardown(() => run.kill());
  const strange = await setReplicas(run, { service: 'back', replicas: 2 }, '0'.repeat(64));
  t.deepEqual(strange, { status: 403, body: { error: 'wrong token' } });
  t.true(notices.some((line) => line.includes('another number of instances was refused: wrong token')));
  t.is((await fetch(`http://127.0.0.1:${run.deployment.controlPort}/replicas`, { method: 'PUT' })).status, 403);
  t.is((await setReplicas(run, { service: 'bakc', replicas: 2 })).status, 409);
  t.is((await setReplicas(run, { service: 'back', replicas: 0 })).status, 409);
  t.is((await setReplicas(run, ['back', 2])).status, 400);
  t.deepEqual(names(run), ['back-1', 'web-1']);
});

test.serial('where all nodes share one process their number stays', async (t) => {
  const run = await launch(topology, { cwd, inline: true });
  t.teardown(() => run.kill());
  t.is(run.deployment.controlPort, null);
});

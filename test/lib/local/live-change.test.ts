import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { askControl, readKey } from '../../../lib/local/control-client';
import { launch } from '../../../lib/local/launch';
import { changeDeployment, currentTopology } from '../../../lib/local/live-change';
import { STATE } from '../../../lib/model/contract';
import { connect, setLatency } from '../../../lib/model/edit-topology';
import { resolve } from '../../../lib/model/resolve';
import { UserError } from '../../../lib/model/user-error';

const cwd = mkdtempSync(join(tmpdir(), 'microcosm-change-'));
test.after.always(() => rmSync(cwd, { recursive: true, force: true }));

test.serial('a change reaches every instance, is reported by instance, and outlives a restart', async (t) => {
  const topology = resolve(
    { services: { web: { edge: true, replicas: 2, calls: ['back'] }, back: {}, spare: { calls: ['back'] } } },
    'live',
  );
  let again = () => {};
  const up = new Promise<void>((resolveUp) => {
    again = resolveUp;
  });
  let down = () => {};
  const crashed = new Promise<void>((resolveDown) => {
    down = resolveDown;
  });
  const run = await launch(topology, {
    cwd,
    // Long enough for a change to meet the instance while it is down.
    backoff: { firstMs: 5_000, maxMs: 5_000, resetAfterMs: 30_000 },
    onNotice: (line) => {
      if (line.includes('starting it again')) down();
      if (line.includes('is up again')) again();
    },
  });
  t.teardown(() => run.kill());
  const { folder, deployment } = run;
  const key = join(folder, STATE.key);
  t.is(statSync(key).mode & 0o777, 0o600);
  const scope = { key: readKey(folder), topology: 'live' };
  t.false(readFileSync(join(folder, STATE.deployment), 'utf8').includes(scope.key));

  const first = await changeDeployment(cwd, folder, connect({ from: 'web', to: 'spare' }), () => 'connect');
  t.is(first?.epoch, 1);
  t.deepEqual(
    first?.instances.map(({ instance, taken }) => [instance, taken]),
    [
      ['web-1', true],
      ['web-2', true],
    ],
  );
  const answer = (await (await fetch(run.url)).json()) as {
    readonly responses: readonly { readonly service: string }[];
  };
  t.deepEqual(
    answer.responses.map(({ service }) => service),
    ['back', 'spare'],
  );
  t.deepEqual(currentTopology(folder, deployment).services.spare?.callers, ['web']);

  const error = await t.throwsAsync(
    changeDeployment(cwd, folder, connect({ from: 'back', to: 'web' }), () => ''),
    { instanceOf: UserError },
  );
  t.regex(error.message, /calls never end/);

  process.kill(deployment.instances[1]?.pid ?? 0, 'SIGKILL');
  await crashed;
  const partial = await changeDeployment(cwd, folder, setLatency('web', undefined, 1), () => 'slower');
  t.deepEqual(
    partial?.instances.map(({ taken }) => taken),
    [true, false],
  );
  t.regex(partial?.instances[1]?.problem ?? '', /can't be reached/);
  await up;
  const { body } = await askControl(run.deployment.instances[1]?.controlPort ?? 0, 'GET /state', scope);
  t.is(body.epoch, 2);
  t.is(body.slice, partial?.slices.web);
  t.is(readFileSync(join(folder, STATE.epochs), 'utf8').trim().split('\n').length, 2);

  await run.stop();
  t.false(existsSync(key));
  const logs = deployment.instances.map(({ instance }) =>
    readFileSync(join(folder, STATE.logs, `${instance}.log`), 'utf8'),
  );
  t.false(logs.some((log) => log.includes(scope.key)));
  // The one that started again says by itself what it runs.
  t.is(logs[1]?.split('\n').filter((line) => line.includes('"TOPOLOGY_CHANGED"')).length, 2);
});

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { findDeployment, listDeployments } from '../../../lib/local/deployments';
import { type LaunchOptions, launch } from '../../../lib/local/launch';
import { StartError } from '../../../lib/local/start-error';
import { STATE } from '../../../lib/model/contract';
import type { Deployment } from '../../../lib/model/deployment';
import type { Event } from '../../../lib/model/event';
import { resolve } from '../../../lib/model/resolve';
import { hashValue, sliceOf } from '../../../lib/model/slice';
import { topology } from '../../../lib/model/spec';
import { UserError } from '../../../lib/model/user-error';

const BOUTIQUE = topology({
  services: {
    web: { edge: true, replicas: 2, calls: ['catalog', ['cart', 'reviews']] },
    catalog: { replicas: 2, latencyMs: 1 },
    cart: { calls: ['catalog'] },
    reviews: {},
  },
});
/** The bundle is made once for all tests of this file; launches side by side are meant to share it. */
const cwd = mkdtempSync(join(tmpdir(), 'microcosm-launch-'));
test.after.always(() => rmSync(cwd, { recursive: true, force: true }));

async function start(t: ExecutionContext, name: string, options: LaunchOptions = {}) {
  const run = await launch(resolve(BOUTIQUE, name), { cwd, ...options });
  t.teardown(() => run.kill());
  return run;
}

function events(folder: string, instance: string): readonly Event[] {
  const lines = readFileSync(join(folder, STATE.logs, `${instance}.log`), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.map((line) => JSON.parse(line) as Event);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

interface Answer {
  readonly service: string;
  readonly instance: string;
  readonly responses?: readonly Answer[];
}

test.serial('a topology runs as a process an instance, serves through the edge, and is gone after stop', async (t) => {
  const progress: string[] = [];
  const run = await start(t, 'boutique', { onProgress: (ready, all) => progress.push(`${ready}/${all}`) });
  const { deployment } = run;
  t.deepEqual(
    deployment.instances.map(({ instance }) => instance),
    ['web-1', 'web-2', 'catalog-1', 'catalog-2', 'cart-1', 'reviews-1'],
  );
  t.is(new Set(deployment.instances.map(({ pid }) => pid)).size, 6);
  t.deepEqual(progress, ['0/6', '1/6', '2/6', '3/6', '4/6', '5/6', '6/6']);

  const edges = new Set<string>();
  for (let i = 0; i < 4; i++) {
    const answer = (await (await fetch(run.url)).json()) as Answer;
    edges.add(answer.instance);
    t.deepEqual(
      answer.responses?.map(({ service }) => service),
      ['catalog', 'cart', 'reviews'],
    );
  }
  t.deepEqual([...edges].sort(), ['web-1', 'web-2']);

  await run.stop();
  for (const { pid, instance } of deployment.instances) {
    t.false(isAlive(pid), instance);
    t.is(events(run.folder, instance).at(-1)?.event, 'SERVICE_DOWN', instance);
  }
  await t.throwsAsync(fetch(run.url));
});

test.serial('the record says what runs and where, and when it stopped', async (t) => {
  const run = await start(t, 'recorded');
  const record = () => JSON.parse(readFileSync(join(run.folder, STATE.deployment), 'utf8')) as Deployment;
  const whole = resolve(BOUTIQUE, 'recorded');
  t.deepEqual(record(), JSON.parse(JSON.stringify(run.deployment)));
  t.is(record().topologyHash, hashValue(whole));
  t.deepEqual(record().topology, whole);
  t.is(record().pid, process.pid);
  t.is(record().stopTime, null);
  t.regex(record().id, /^recorded-\d{8}t\d{6}z-[a-z2-7]{4}$/);
  t.regex(record().resolver, /^127\.0\.0\.1:\d+$/);
  for (const { service, edgePort } of record().instances) t.is(edgePort !== null, service === 'web', service);

  t.is((await findDeployment('recorded', cwd))?.id, run.deployment.id);
  t.is((await findDeployment(run.url, cwd))?.id, run.deployment.id);
  t.is((await findDeployment(`${run.url.replace('127.0.0.1', 'localhost')}/cart`, cwd))?.id, run.deployment.id);
  t.is(await findDeployment('http://127.0.0.1:1', cwd), undefined);
  await run.stop();
  t.is(await findDeployment('recorded', cwd), undefined);
  t.not(record().stopTime, null);
  t.is(events(run.folder, 'cart-1')[0]?.slice, hashValue(sliceOf(whole, 'cart')));
});

test.serial('an instance that is killed comes up again on its ports, and the restart is seen', async (t) => {
  const notices: string[] = [];
  let again = () => {};
  const up = new Promise<void>((resolveUp) => {
    again = resolveUp;
  });
  const run = await start(t, 'crashing', {
    backoff: { firstMs: 10, maxMs: 100, resetAfterMs: 30_000 },
    onNotice: (line) => {
      notices.push(line);
      if (line.includes('is up again')) again();
    },
  });
  const before = run.deployment.instances.find(({ instance }) => instance === 'cart-1');
  // What a killed process has not yet written is lost; here its start is to be seen.
  while (readFileSync(join(run.folder, STATE.logs, 'cart-1.log'), 'utf8') === '') await wait(10);
  process.kill(before?.pid ?? 0, 'SIGKILL');
  await up;
  const [record] = (await listDeployments(cwd)).filter(({ deployment }) => deployment.id === run.deployment.id);
  const after = record?.deployment.instances.find(({ instance }) => instance === 'cart-1');
  t.like(after, { restarts: 1, meshPort: before?.meshPort, edgePort: null });
  t.not(after?.pid, before?.pid);
  t.regex(notices[0] ?? '', /^cart-1 \(process \d+\) was ended by SIGKILL; starting it again in 0\.01 s$/);
  t.is((await fetch(run.url)).status, 200);
  await run.stop();
  const starts = events(run.folder, 'cart-1').filter(({ event }) => event === 'SERVICE_UP');
  t.deepEqual(
    starts.map(({ detail }) => detail?.restarts),
    [0, 1],
  );
  t.is(new Set(starts.map(({ process: id }) => id)).size, 2);
});

test.serial('two deployments of one topology run side by side, and a name that means both is refused', async (t) => {
  const [one, two] = await Promise.all([start(t, 'twice'), start(t, 'twice')]);
  t.not(one.deployment.id, two.deployment.id);
  t.is((await fetch(one.url)).status, 200);
  t.is((await fetch(two.url)).status, 200);
  const error = await t.throwsAsync(findDeployment('twice', cwd), { instanceOf: UserError });
  t.true(error.message.includes(one.url) && error.message.includes(two.url));
  t.is((await findDeployment(two.deployment.id, cwd))?.url, two.url);
  await one.stop();
  t.is((await fetch(two.url)).status, 200);
  const received = (folder: string) =>
    ['web-1', 'web-2']
      .flatMap((instance) => events(folder, instance))
      .filter(({ event }) => event === 'REQUEST_RECEIVED');
  t.is(received(one.folder).length, 1);
  await two.stop();
  t.is(received(two.folder).length, 2);
});

test.serial('all nodes run in one process when asked', async (t) => {
  const run = await start(t, 'inlined', { inline: true });
  t.is(new Set(run.deployment.instances.map(({ pid }) => pid)).size, 1);
  const answer = (await (await fetch(run.url)).json()) as Answer;
  t.is(answer.responses?.length, 3);
  await run.stop();
  for (const { instance } of run.deployment.instances) t.is(events(run.folder, instance).at(-1)?.event, 'SERVICE_DOWN');
});

test.serial('a node that does not come up ends the launch, says why, and leaves nothing', async (t) => {
  const broken = resolve(BOUTIQUE, 'broken');
  const services = { ...broken.services, cart: { ...broken.services.cart, server: 'none' } };
  const error = await t.throwsAsync(launch({ ...broken, services } as never, { cwd }), { instanceOf: StartError });
  t.is(error.instance, 'cart-1');
  t.regex(error.reason, /^ended with code \d+ before it was ready$/);
  t.not(error.stderr, '');
  t.false(readdirSync(join(cwd, STATE.deployments)).some((name) => name.startsWith('broken-')));
});

test.serial('a start that is given up leaves nothing', async (t) => {
  const controller = new AbortController();
  const onProgress = (ready: number) => ready > 0 && controller.abort(new Error('given up'));
  await t.throwsAsync(launch(resolve(BOUTIQUE, 'given-up'), { cwd, signal: controller.signal, onProgress }), {
    message: 'given up',
  });
  t.false(readdirSync(join(cwd, STATE.deployments)).some((name) => name.startsWith('given-up-')));
});

test.serial('a state folder that cannot be written is a fault that names it', async (t) => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'microcosm-launch-'));
  t.teardown(() => rmSync(elsewhere, { recursive: true, force: true }));
  writeFileSync(join(elsewhere, STATE.root), 'a file in the way');
  const error = await t.throwsAsync(launch(resolve(BOUTIQUE, 'nowhere'), { cwd: elsewhere }), {
    instanceOf: UserError,
  });
  t.regex(error.message, /local state can't be written: E[A-Z]+; make .* a folder that you may write to/);
});

test.serial('a name or URL of nothing finds nothing, and records that cannot be read are passed over', async (t) => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'microcosm-launch-'));
  t.teardown(() => rmSync(elsewhere, { recursive: true, force: true }));
  t.is(await findDeployment('shop', elsewhere), undefined);
  for (const [name, text] of Object.entries({ half: '{"id": "sh', odd: '{"id":"x","url":"no url"}' })) {
    mkdirSync(join(elsewhere, STATE.deployments, name), { recursive: true });
    writeFileSync(join(elsewhere, STATE.deployments, name, STATE.deployment), text);
  }
  t.deepEqual(await listDeployments(elsewhere), []);
});

test.serial('the five newest dead deployments are kept, live ones always', async (t) => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'microcosm-launch-'));
  t.teardown(() => rmSync(elsewhere, { recursive: true, force: true }));
  const live = await start(t, 'living', { cwd: elsewhere });
  for (let i = 0; i < 8; i++) {
    const folder = join(elsewhere, STATE.deployments, `dead-${i}`);
    mkdirSync(folder);
    const startTime = new Date(Date.UTC(2020, 0, 1 + i)).toISOString();
    const record = { ...live.deployment, id: `dead-${i}`, startTime, stopTime: startTime };
    writeFileSync(join(folder, STATE.deployment), JSON.stringify(record));
  }
  await (await start(t, 'living', { cwd: elsewhere })).stop();
  const left = readdirSync(join(elsewhere, STATE.deployments)).filter((name) => name.startsWith('dead-'));
  t.deepEqual(left.sort(), ['dead-3', 'dead-4', 'dead-5', 'dead-6', 'dead-7']);
  t.true(existsSync(live.folder));
});

import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import type { LoadResult } from '../../../lib/load/run-load';
import { type LocalTraffic, startLocal } from '../../support/local-traffic';

const MIB = 1_048_576;

/** Of a process; 0 on a system that does not tell. */
function residentBytes(pid: number): number {
  if (!existsSync('/proc/self/status')) return 0;
  return 1_024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Requests that came to an end: answered, or failed with a kind. */
function ended({ total }: LoadResult): number {
  const broken = Object.entries(total.errors).filter(([kind]) => !kind.startsWith('HTTP_'));
  return broken.reduce((sum, [, n]) => sum + n, total.answered);
}

/** Waits until requests are answered well again. */
async function recovered({ run }: LocalTraffic): Promise<void> {
  for (let good = 0; good < 5; ) {
    const { status } = await fetch(run.url, { signal: AbortSignal.timeout(20_000) });
    good = status === 200 ? good + 1 : 0;
    if (good === 0) await wait(100);
  }
}

test.serial(
  'ten times what it can bear ends in answers and errors, in bounded memory, and then all is as before',
  async (t) => {
    const local = await startLocal(t, {
      services: {
        web: { edge: true, deadlineMs: 2_500, calls: ['back'] },
        // 100 requests a second keep a core busy.
        back: { steps: [{ work: { cpuMs: 10 } }] },
      },
    });
    const pids = ['web-1', 'back-1'].map(local.pidOf);
    // So few that a machine with little left for them still keeps up.
    const before = await (await local.load(4, 3_000)).done;
    const level = pids.map(residentBytes);
    const overload = await local.load(1_000, 3_000);
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, ...pids.map((pid, i) => residentBytes(pid) - (level[i] as number)));
    }, 100);
    const during = await overload.done;
    clearInterval(watch);
    await recovered(local);
    const after = await (await local.load(4, 3_000)).done;

    t.is(ended(during), during.total.sent);
    t.true(during.total.failed > 0);
    t.true(most < 150 * MIB, `${most / MIB} MiB more`);
    t.deepEqual(['web-1', 'back-1'].map(local.pidOf), pids);
    t.is(after.total.failed, 0);
    const [was, is] = [before, after].map(({ figures }) => figures.responseTime.p50) as [number, number];
    t.true(is < 3 * was + 1_000, `p50 ${was} ms before, ${is} ms after`);
    const { check } = await local.told(overload.run);
    t.deepEqual(check.departures, []);
  },
);

test.serial(
  'instances killed under load come back, every request ends, and the check explains each loss',
  async (t) => {
    const local = await startLocal(t, {
      services: {
        web: { edge: true, replicas: 2, deadlineMs: 2_000, calls: [{ call: 'back', retries: 2 }] },
        back: { replicas: 2, latencyMs: 5 },
      },
    });
    const names = ['back-1', 'web-1', 'web-2'];
    const pids = names.map(local.pidOf);
    const load = await local.load(60, 5_000);
    await wait(1_000);
    process.kill(local.pidOf('back-1'), 'SIGKILL');
    await wait(1_000);
    // The whole edge at once: there is nobody behind the balancer.
    for (const name of ['web-1', 'web-2']) process.kill(local.pidOf(name), 'SIGKILL');
    const result = await load.done;
    await recovered(local);
    while (names.some((name, index) => local.pidOf(name) === pids[index])) await wait(50);
    t.is(ended(result), result.total.sent);
    const kinds = Object.keys(result.total.errors).filter(
      (kind) => !['HTTP_502', 'HTTP_503', 'HTTP_504'].includes(kind),
    );
    t.deepEqual(kinds, []);
    const { check, report } = await local.told(load.run);
    t.deepEqual(check.departures, []);
    t.is(report.requests.found, result.total.sent);
  },
);

/** Sends the text, then a byte every so often, until the other side closes; resolves to what it said by then. */
function dribble(port: number, text: string, everyMs: number): { socket: Socket; closed: Promise<string> } {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  socket.write(text);
  const timer = everyMs > 0 ? setInterval(() => socket.write('x'), everyMs) : undefined;
  const closed = new Promise<string>((resolve) => {
    socket.on('close', () => {
      clearInterval(timer);
      resolve(answer);
    });
  });
  return { socket, closed };
}

test.serial(
  'slow clients and thousands of idle connections keep nobody waiting, and are sent away in time',
  async (t) => {
    const local = await startLocal(t, { services: { web: { edge: true } } });
    const port = local.run.deployment.instances[0]?.edgePort as number;
    const level = residentBytes(local.pidOf('web-1'));
    const head = 'POST / HTTP/1.1\r\nhost: x\r\n';
    const idle: ReturnType<typeof dribble>[] = [];
    // A few at a time: what overflows the queue of a listening socket, its system forgets without a word.
    while (idle.length < 2_000) {
      const batch = Array.from({ length: 100 }, () => dribble(port, '', 0));
      await Promise.all(batch.map(({ socket }) => once(socket, 'connect')));
      await wait(10);
      idle.push(...batch);
    }
    const slow = [
      ...Array.from({ length: 50 }, () => dribble(port, `${head}x-slow: `, 500)),
      ...Array.from({ length: 50 }, () => dribble(port, `${head}content-length: 900\r\n\r\n`, 500)),
    ];
    const all = [...idle, ...slow];
    t.teardown(() => {
      for (const { socket } of all) socket.destroy();
    });
    const began = performance.now();
    const load = await local.load(20, 30_000);
    const gone = Promise.all(all.map(({ closed }) => closed));
    const answers = await Promise.race([gone, wait(120_000, undefined, { ref: false })]);
    const tookMs = performance.now() - began;
    const { total } = await load.done;
    t.deepEqual([total.failed, total.errors], [0, {}]);
    t.truthy(answers, 'some connections were kept');
    for (const answer of answers ?? []) t.regex(answer, /^(HTTP\/1\.1 408 .*)?/);
    t.true(residentBytes(local.pidOf('web-1')) - level < 150 * MIB);
    t.log(`all sent away after ${Math.round(tookMs / 1_000)} s`);
  },
);

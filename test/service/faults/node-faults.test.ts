import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { FAULT_BOUNDS } from '../../../lib/model/fault';
import { parseStamp } from '../../../lib/model/hybrid-clock';
import type { FaultRuleSpec, TopologySpec } from '../../../lib/model/spec';
import { type Mesh, send, startMesh } from '../mesh';

// What one fault does to the process is seen without the others.
const serial = test.serial;

function faulty(...faults: FaultRuleSpec[]): TopologySpec {
  return { services: { web: { edge: true, faults } } };
}

function edgePort(mesh: Mesh): number {
  return mesh.nodes.get('web-1')?.edgePort as number;
}

/** Resolves once it holds; the test's own time-out is its bound. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(10);
}

const MIB = 1_048_576;
/** Resident memory, from the kernel. */
function residentMiB(): number {
  const pages = Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]);
  return (pages * 4_096) / MIB;
}

serial(
  'a memory leak is resident for its time and is then given back, while the request goes on at once',
  async (t) => {
    const mesh = await startMesh(t, faulty({ type: 'memory-leak', at: 'after', args: { size: 400, duration: 6_000 } }));
    const before = residentMiB();
    const startedAt = performance.now();
    t.is((await mesh.ask('web')).status, 200);
    t.true(performance.now() - startedAt < 6_000);
    // Far from the whole size: what else the process holds comes and goes meanwhile.
    await until(() => residentMiB() > before + 250);
    await until(() => residentMiB() < before + 150);
    t.true(performance.now() - startedAt >= 5_990);
  },
);

serial('leaks of one process together stay within the bound, and their events say what they hold', async (t) => {
  const size = FAULT_BOUNDS.memoryMiB;
  const mesh = await startMesh(
    t,
    faulty(
      { type: 'memory-leak', at: 'before', args: { size: size - 10, duration: 20 }, id: 'big' },
      { type: 'memory-leak', at: 'before', args: { size: 50, duration: 20 }, id: 'small' },
    ),
  );
  await mesh.ask('web');
  const sizes = (await mesh.events()).filter(({ fault }) => fault).map(({ fault }) => [fault?.id, fault?.args.size]);
  t.deepEqual(sizes, [
    ['big', size - 10],
    ['small', 10],
  ]);
});

/** Sizes of this process's open files that have no name any more. */
function namelessFiles(): readonly number[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = `/proc/self/fd/${fd}`;
      return readlinkSync(path).includes('microcosm-fault-') ? [statSync(path).blocks * 512] : [];
    } catch {
      return [];
    }
  });
}

serial('a filled disk has its blocks taken for the time, and freed after', async (t) => {
  const mesh = await startMesh(t, faulty({ type: 'disk-fill', at: 'before', args: { size: 20, duration: 5_000 } }));
  t.is((await mesh.ask('web')).status, 200);
  await until(() => namelessFiles().some((bytes) => bytes >= 20 * MIB));
  await until(() => namelessFiles().length === 0);
  t.pass();
});

serial('a blocked event loop answers nothing meanwhile', async (t) => {
  const mesh = await startMesh(t, faulty({ type: 'block', at: 'before', args: { duration: 400 } }));
  const monitor = monitorEventLoopDelay({ resolution: 10 });
  monitor.enable();
  // The monitor measures between its own ticks: a block before the first one leaves no trace in it.
  await delay(50);
  t.is((await mesh.ask('web')).status, 200);
  await delay(50);
  monitor.disable();
  t.true(monitor.max >= 380e6, `${monitor.max / 1e6} ms`);
});

serial('CPU time is burnt as the kernel counts it, in slices', async (t) => {
  const mesh = await startMesh(t, faulty({ type: 'cpu', at: 'before', args: { duration: 300 } }));
  const monitor = monitorEventLoopDelay({ resolution: 1 });
  monitor.enable();
  const before = process.cpuUsage();
  t.is((await mesh.ask('web')).status, 200);
  const { user, system } = process.cpuUsage(before);
  monitor.disable();
  t.true((user + system) / 1_000 >= 299);
  t.true(monitor.count > 5, 'the loop turned meanwhile');
});

function refused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(!socket.destroy()));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
  });
}

serial('refused connections are refused on every port, and taken on the same ports afterwards', async (t) => {
  const mesh = await startMesh(
    t,
    faulty({ type: 'refuse', at: 'after', args: { duration: 3_000 }, id: 'closed', fromRequest: 1, forMs: 500 }),
  );
  const node = mesh.nodes.get('web-1');
  // Connections that stand keep the system from giving the ports to others meanwhile.
  for (const port of [node?.edgePort, node?.meshPort] as number[]) {
    const socket = connect(port, '127.0.0.1');
    t.teardown(() => socket.destroy());
    await once(socket, 'connect');
  }
  t.is((await mesh.ask('web')).status, 200);
  t.true(await refused(node?.edgePort as number));
  t.true(await refused(node?.meshPort as number));
  await until(async () => !(await refused(node?.edgePort as number)));
  t.is((await mesh.ask('web', { path: '/healthz', port: 'mesh' })).status, 200);
});

serial('an instance that is not ready says so, serves, and is ready again', async (t) => {
  const mesh = await startMesh(
    t,
    faulty({ type: 'unready', at: 'instance', args: { duration: 3_000 }, fromRequest: 2 }),
  );
  const ready = async () => (await mesh.ask('web', { path: '/readyz' })).status;
  t.is(await ready(), 200);
  t.is((await mesh.ask('web')).status, 200);
  t.is(await ready(), 200);
  t.is((await mesh.ask('web')).status, 200);
  t.is(await ready(), 503);
  t.is((await mesh.ask('web')).status, 200);
  await until(async () => (await ready()) === 200);
  const injected = (await mesh.events()).filter(({ event }) => event === 'FAULT_INJECTED');
  t.is(injected.length, 1);
  t.is(injected[0]?.run, '-');
});

serial('a clock that is off is off in the log and on the wire, and comes back', async (t) => {
  const mesh = await startMesh(
    t,
    faulty({ type: 'clock-offset', at: 'instance', args: { offset: -3_600_000, duration: 2_000 }, fromRequest: 2 }),
  );
  const port = edgePort(mesh);
  const stamps: string[] = [];
  const date = async () => String((await send(port)).headers['x-microcosm-clock']);
  stamps.push(await date(), await date());
  await delay(2_100);
  await date();
  const received = (await mesh.events()).filter(({ event }) => event === 'REQUEST_RECEIVED');
  const off = received.map(({ timestamp }) => Math.round((Date.now() - Date.parse(timestamp)) / 3_600_000));
  t.deepEqual(off, [0, 0, 0]);
  const sent = (await mesh.events()).filter(({ event }) => event === 'RESPONSE_SENT');
  t.deepEqual(
    sent.map(({ timestamp }) => Math.round((Date.now() - Date.parse(timestamp)) / 3_600_000)),
    [0, 1, 0],
  );
  // A hybrid clock never runs backwards, whatever its wall clock does.
  t.true((parseStamp(stamps[1] ?? '')?.millis ?? 0) >= (parseStamp(stamps[0] ?? '')?.millis ?? 1));
});

serial('a crash in a process of several nodes is logged and not carried out', async (t) => {
  const mesh = await startMesh(t, faulty({ type: 'crash', at: 'before' }));
  t.is((await mesh.ask('web')).status, 200);
  const fault = (await mesh.events()).find(({ event }) => event === 'FAULT_INJECTED')?.fault;
  t.is(fault?.refused, 'the process serves other nodes too');
});

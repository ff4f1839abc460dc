import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import { STATE } from '../../../lib/model/contract';
import { startLocal } from '../../support/local-traffic';

/** How large a file a process may write, as a full disk refuses more; undefined lifts it. Needs util-linux. */
function limitFiles(pid: number, bytes?: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes ?? 'unlimited'}:`]);
}

test('a node whose log has no room answers on, and its lost events are a gap of known size', async (t) => {
  try {
    limitFiles(process.pid);
  } catch {
    t.pass('there is no prlimit on this system');
    return;
  }
  const notices: string[] = [];
  const local = await startLocal(
    t,
    { name: 'full', services: { web: { edge: true, calls: ['back'] }, back: {} } },
    { onNotice: (line) => notices.push(line) },
  );
  const back = local.pidOf('back-1');
  const load = await local.load(100, 3_000);
  await wait(800);
  limitFiles(back, statSync(join(local.run.folder, STATE.logs, 'back-1.log')).size + 700);
  await wait(1_200);
  limitFiles(back);
  const { total } = await load.done;
  t.is(total.answered, total.sent);
  t.deepEqual(total.errors, {});

  const { check, report, events } = await local.told(load.run);
  t.is(local.pidOf('back-1'), back);
  t.is(check.verdict, 'incomplete');
  const own = events.filter(({ instance }) => instance === 'back-1');
  const dropped = own.reduce((sum, event) => sum + (event.dropped ?? 0), 0);
  const missing = (run: string) => {
    const seqs = own.filter((event) => event.run === run).map(({ seq }) => seq);
    return Math.max(...seqs) - new Set(seqs).size;
  };
  t.true(missing(load.run) > 50, `${missing(load.run)} events`);
  t.is(dropped, missing(load.run) + missing('-'));
  t.is(report.processes.find(({ instance }) => instance === 'back-1')?.lost, missing(load.run));
  // One line says so, however many writes fail.
  t.true(notices.filter((line) => line.includes('refuses writing')).length < 5, `${notices.length} notices`);
});

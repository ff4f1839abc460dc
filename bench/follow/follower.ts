import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** `timeline --follow` as users start it, in a process of its own. */
export interface Follower {
  /** Lines that it printed of flows. */
  readonly shown: number;
  /** Of user and system time. */
  cpuSeconds(): number;
  residentMb(): number;
  /** The most so far. */
  peakMb(): number;
  /** Waits until it has shown so many flows, or shows nothing any more. */
  showing(flows: number): Promise<void>;
  /** Waits for its end; what it printed last. */
  ended(): Promise<string>;
}

const ROOT = join(__dirname, '..', '..');
const TICKS_PER_SECOND = 100;
const LOST_MS = 20_000;

/**
 * Starts it and waits until it reads. What it costs is read from `/proc`, so that nothing of the measuring is in it.
 *
 * @param onFlow told of each flow's line as it arrives
 */
export async function startFollower(
  cwd: string,
  args: readonly string[],
  onFlow: (line: string) => void = () => {},
): Promise<Follower> {
  const child = spawn(
    process.execPath,
    ['-r', join(ROOT, 'bin', 'typescript.cjs'), join(ROOT, 'tools', 'timeline.ts'), ...args, '--follow'],
    { cwd, env: { ...process.env, TS_NODE_PROJECT: join(ROOT, 'tsconfig.json') }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const closed = once(child, 'close');
  let [shown, shownAtMs, rest, last, problem] = [0, performance.now(), '', '', ''];
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      last = line;
      if (!/^(\{"record":"flow"|\d\d:)/.test(line)) continue;
      shown += 1;
      onFlow(line);
    }
    shownAtMs = performance.now();
  });
  await new Promise<void>((settle, fail) => {
    child.stderr.on('data', (text: Buffer) => {
      problem += text.toString();
      if (problem.includes('following ')) settle();
    });
    child.once('close', () => fail(new Error(problem)));
  });
  const pid = child.pid as number;
  const memoryMb = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

  return {
    get shown() {
      return shown;
    },
    cpuSeconds() {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [user, system] = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .slice(11, 13);
      return (Number(user) + Number(system)) / TICKS_PER_SECOND;
    },
    residentMb: () => memoryMb('VmRSS'),
    peakMb: () => memoryMb('VmHWM'),
    async showing(flows) {
      shownAtMs = performance.now();
      while (shown < flows && performance.now() - shownAtMs < LOST_MS) await pause(20);
    },
    async ended() {
      const [code] = await closed;
      if (code !== 0) throw new Error(`timeline ended with ${code}: ${problem}`);
      return last;
    },
  };
}

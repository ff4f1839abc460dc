import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/** A program with all that it starts, which does not outlive this process. */
export interface ProcessGroup {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Interrupts all of it. Resolves once it is gone. */
  close(): Promise<void>;
}

/** By which a process ends that does not listen, without a word to anybody; and the exit code for each. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const AGAIN_AFTER_MS = 500;
const CLOSE_WITHIN_MS = 5_000;

/** Interrupts groups of processes until they are gone, and kills what is left after `CLOSE_WITHIN_MS`. */
const REAPER = `
for turn in 1 2 3 4 5 6 7 8 9 10; do
  left=
  for group; do kill -s INT -- "-$group" 2>/dev/null && left="$left $group"; done
  [ -n "$left" ] || exit 0
  set -- $left
  sleep ${AGAIN_AFTER_MS / 1_000}
done
for group; do kill -s KILL -- "-$group" 2>/dev/null; done`;

const running = new Set<ProcessGroup['child']>();

/**
 * Starts a program in a process group of its own, since some hand no signal on to what they start. A program that is
 * starting another may lose an interrupt for both: so it is repeated, by a process that stays behind where this one leaves.
 */
export function startGroup(command: string, args: readonly string[]): ProcessGroup {
  // Before anything runs, so that no signal comes in between.
  if (running.size === 0) watch();
  const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const gone = new Promise<void>((resolve) => {
    const end = (): void => {
      running.delete(child);
      if (running.size === 0) unwatch();
      resolve();
    };
    child.once('close', end).once('error', end);
  });
  const close = async (): Promise<void> => {
    signalGroup(child, 'SIGINT');
    const again = setInterval(() => signalGroup(child, 'SIGINT'), AGAIN_AFTER_MS);
    const late = setTimeout(() => signalGroup(child, 'SIGKILL'), CLOSE_WITHIN_MS);
    await gone;
    clearInterval(again);
    clearTimeout(late);
  };
  return { child, close };
}

function watch(): void {
  process.on('exit', leaveNone);
  for (const signal of Object.keys(SIGNALS)) process.on(signal, onSignal);
}

function unwatch(): void {
  process.off('exit', leaveNone);
  for (const signal of Object.keys(SIGNALS)) process.off(signal, onSignal);
}

function onSignal(signal: keyof typeof SIGNALS): void {
  // Who else listens decides when this process leaves.
  if (process.listenerCount(signal) === 1) process.exit(SIGNALS[signal]);
}

function leaveNone(): void {
  const groups = [...running].flatMap(({ pid }) => (pid === undefined ? [] : [String(pid)]));
  spawn('sh', ['-c', REAPER, 'sh', ...groups], { detached: true, stdio: 'ignore' }).unref();
}

/** Of a child that is still in `running`, whose number no other group can have. */
function signalGroup(child: ProcessGroup['child'], signal: NodeJS.Signals): void {
  if (child.pid === undefined || !running.has(child)) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

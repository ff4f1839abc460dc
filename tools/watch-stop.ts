import { execFile } from 'node:child_process';

/** What asks a command that runs until it is told otherwise to stop. */
export interface StopWatch {
  /** Aborted at the first request. */
  readonly signal: AbortSignal;
  readonly requested: Promise<void>;
  /** Resolves when the user insists. */
  readonly forced: Promise<void>;
}

/** npm and npx hand on a Ctrl-C that the terminal has sent to the command already: one key press, two signals. */
const SAME_REQUEST_MS = 500;
const PARENT_CHECK_MS = 500;

/** Watches for Ctrl-C, SIGTERM, a closed terminal, and, where npx or npm started the command, for their end. */
export function watchStop(): StopWatch {
  const controller = new AbortController();
  let requestedAt: number | undefined;
  let force = () => {};
  const forced = new Promise<void>((resolve) => {
    force = resolve;
  });
  const requested = new Promise<void>((resolve) => {
    controller.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const onSignal = () => {
    if (requestedAt === undefined) {
      requestedAt = performance.now();
      controller.abort(new Error('stopped while it started'));
    } else if (performance.now() - requestedAt > SAME_REQUEST_MS) force();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  if (process.env.npm_command) watchParent(onSignal);
  return { signal: controller.signal, requested, forced };
}

/**
 * npx or npm that is killed can't hand on anything, and the shell between them and the command hands on nothing at all.
 * Whoever starts the command without them may leave it running on purpose.
 */
function watchParent(onGone: () => void): void {
  const parent = process.ppid;
  let beyond: number | undefined;
  execFile('ps', ['-o', 'ppid=,args=', '-p', String(parent)], (_error, stdout) => {
    const [, pid, command = ''] = /^\s*(\d+)\s+(.*)/.exec(stdout) ?? [];
    if (/^(\S*\/)?(ba|da|z)?sh -c /.test(command)) beyond = Number(pid);
  });
  const timer = setInterval(() => {
    if (process.ppid === parent && (beyond === undefined || lives(beyond))) return;
    clearInterval(timer);
    onGone();
  }, PARENT_CHECK_MS);
  timer.unref();
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

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

/** npx that is killed can't hand on anything. Whoever starts the command without it may leave it running on purpose. */
function watchParent(onGone: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, PARENT_CHECK_MS);
  timer.unref();
}

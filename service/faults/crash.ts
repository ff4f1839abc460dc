import type { CrashSignal } from '../../lib/model/fault';

/** Ends the process; returns only where the signal lets it stop in good order. The log is written out by then. */
export function crash({ exitCode = 1, signal }: { readonly exitCode?: number; readonly signal?: CrashSignal }): void {
  if (signal) process.kill(process.pid, signal);
  else process.exit(exitCode);
}

import { execFileSync } from 'node:child_process';
import { availableMemory } from 'node:process';
import { UserError } from '../model/user-error';

/** What one instance takes once it is warm, as `bench/start.ts` measures it, with some reserve. */
const PROCESS_MEGABYTES = 40;
const INLINE_BASE_MEGABYTES = 80;
const INLINE_MEGABYTES = 0.5;
/** The launcher's own: an IPC channel and stderr for each process. */
const FILES_PER_PROCESS = 2;
/** Of the one process: two listeners, the log, a resolver's socket, and connections. */
const INLINE_FILES = 8;
const OTHER_FILES = 200;

export interface Machine {
  readonly availableMegabytes: number;
  /** Limit on open files; undefined where there is none. */
  readonly openFiles: number | undefined;
}

/** Throws a `UserError` with everything that the machine lacks for so many instances. */
export function checkMachine(instances: number, inline: boolean, machine: Machine = thisMachine()): void {
  const needed = Math.ceil(
    inline ? INLINE_BASE_MEGABYTES + instances * INLINE_MEGABYTES : instances * PROCESS_MEGABYTES,
  );
  const files = OTHER_FILES + instances * (inline ? INLINE_FILES : FILES_PER_PROCESS);
  const fewer = inline ? 'use fewer replicas' : 'use fewer replicas, or `--inline` for one process';
  const faults = [];
  if (needed > machine.availableMegabytes) {
    const problem = `${instances} instances need about ${needed} MB, of which ${Math.floor(machine.availableMegabytes)} MB are available`;
    faults.push({ where: 'memory', problem, remedy: `${fewer}, or free some memory` });
  }
  if (machine.openFiles !== undefined && files > machine.openFiles) {
    const problem = `${instances} instances need about ${files} open files, the limit is ${machine.openFiles}`;
    faults.push({ where: 'open files', problem, remedy: `raise it (ulimit -n ${files}), or use fewer replicas` });
  }
  if (faults.length > 0) throw new UserError(faults);
}

function thisMachine(): Machine {
  return { availableMegabytes: availableBytes() / 1_048_576, openFiles: openFileLimit() };
}

/** macOS counts what can be taken back from caches as used: there `vm_stat` says more. */
function availableBytes(): number {
  if (process.platform !== 'darwin') return availableMemory();
  const text = execFileSync('vm_stat', { encoding: 'utf8' });
  const pageSize = Number(/page size of (\d+) bytes/.exec(text)?.[1] ?? 4096);
  const pages = ['free', 'inactive', 'speculative', 'purgeable'].map((kind) =>
    Number(new RegExp(`^Pages ${kind}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0),
  );
  return pages.reduce((sum, count) => sum + count, 0) * pageSize;
}

/** Node.js raises its soft limit to the hard one when it starts, and children inherit it. */
function openFileLimit(): number | undefined {
  const text = execFileSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';

const ROOT = join(__dirname, '..', '..');

/** Starts commands of `tools/` as processes of their own. */
export type Tool = (t: ExecutionContext, name: string, ...args: string[]) => ChildProcess;

/** @param cwd the directory that they work in */
export function toolsIn(cwd: string): Tool {
  return (t, name, ...args) => {
    const child = spawn(
      process.execPath,
      ['-r', join(ROOT, 'bin', 'typescript.cjs'), join(ROOT, 'tools', `${name}.ts`), ...args],
      { cwd, env: { ...process.env, TS_NODE_PROJECT: join(ROOT, 'tsconfig.json') }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    t.teardown(() => child.kill('SIGKILL'));
    return child;
  };
}

/** What a command printed, and its exit code, once it has ended; a signal that ended it is named behind its errors. */
export async function outcome(child: ChildProcess) {
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new Error('its output is not read');
  const [out, error, [code, signal]] = await Promise.all([text(stdout), text(stderr), once(child, 'close')]);
  return { stdout: out, stderr: signal === null ? error : `${error}(ended by ${signal})`, code: code as number | null };
}

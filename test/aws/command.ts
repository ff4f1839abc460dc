import { spawn } from 'node:child_process';
import { join } from 'node:path';

export const ROOT = join(__dirname, '..', '..');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
  readonly input?: string;
}

/** Runs a program to its end. Never throws for an exit code. */
export function command(file: string, args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  const { cwd, env, timeoutMs = 10 * 60_000, input } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: cwd ?? ROOT, env: { ...process.env, ...env }, timeout: timeoutMs });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject).on('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(input);
  });
}

/** The same, where anything but success ends the proof. */
export async function succeed(file: string, args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  const done = await command(file, args, options);
  if (done.code === 0) return done;
  const words = `${done.stdout}\n${done.stderr}`.trim().slice(-4_000);
  throw new Error(`${file} ${args.join(' ')} ended with ${done.code}:\n${words}`);
}

/** One of the project's own commands. */
export function tool(name: string, args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  return command(
    process.execPath,
    ['-r', join(ROOT, 'bin', 'typescript.cjs'), join(ROOT, 'tools', `${name}.ts`), ...args],
    {
      ...options,
      env: { TS_NODE_PROJECT: join(ROOT, 'tsconfig.json'), ...options.env },
    },
  );
}

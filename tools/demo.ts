import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Deployment } from '../lib/model/deployment';
import { parseRunId } from '../lib/model/run-id';
import { type ExitCode, runCommand } from './command';
import { watchStop } from './watch-stop';

const TOPOLOGY = 'shop';
const TRAFFIC = ['--requests', '200', '--rate', '25'];

void runCommand((program, finish) => {
  program
    .name('demo')
    .description(`Runs ${TOPOLOGY} on this machine, sends it 200 requests, shows and checks what happened, stops it.`)
    .action(async () => finish(await demo()));
});

/** Runs the commands that a user would type, one after the other, each shown before what it prints. */
async function demo(): Promise<ExitCode> {
  const stop = watchStop();
  const local = command('local', [TOPOLOGY, '--json']);
  const stopped = once(local, 'exit');
  try {
    const deployment = await firstLine(local, (line) => line.startsWith('{'));
    if (deployment === undefined) return 1;
    const { url, instances, topology } = JSON.parse(deployment) as Deployment;
    print(`${Object.keys(topology.services).length} services, ${instances.length} instances; the edge is at ${url}`);

    let run: string | undefined;
    await eachLine(command('load', [url, ...TRAFFIC]), (line) => {
      print(line);
      run ??= line.split(/\s+/).find((word) => parseRunId(word) !== undefined);
    });
    if (run === undefined || stop.signal.aborted) return 1;
    await exitCode(command('timeline', [run, '--slowest', '2'], 'inherit'));
    return (await exitCode(command('check', [run], 'inherit'))) === 0 ? 0 : 1;
  } finally {
    local.kill('SIGTERM');
    await stopped;
  }
}

/** The first line that a command prints and `matches` takes; undefined where it ends without one. */
function firstLine(child: ChildProcess, matches: (line: string) => boolean): Promise<string | undefined> {
  return new Promise((resolve) => {
    void eachLine(child, (line) => {
      if (matches(line)) resolve(line);
    }).then(() => resolve(undefined));
  });
}

async function eachLine({ stdout }: ChildProcess, take: (line: string) => void): Promise<void> {
  if (stdout) for await (const line of createInterface({ input: stdout })) take(line);
}

async function exitCode(child: ChildProcess): Promise<number> {
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function command(tool: string, args: readonly string[], stdout: 'pipe' | 'inherit' = 'pipe'): ChildProcess {
  print(`\n$ npx ts-node tools/${tool}.ts ${args.join(' ')}`);
  const tsNode = join(__dirname, '..', 'node_modules', 'ts-node', 'dist', 'bin.js');
  return spawn(process.execPath, [tsNode, join(__dirname, `${tool}.ts`), ...args], {
    stdio: ['ignore', stdout, 'inherit'],
  });
}

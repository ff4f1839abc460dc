import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../lib/load/duration';
import { type LocalRun, launch } from '../lib/local/launch';
import { StartError } from '../lib/local/start-error';
import { fillPath } from '../lib/model/decisions';
import { loadTopology } from '../lib/model/load-topology';
import { edgePrefix } from '../lib/model/slice';
import type { Topology } from '../lib/model/topology';
import { type ExitCode, runCommand } from './command';
import { startProgress } from './start-progress';
import { watchStop } from './watch-stop';

interface Options {
  readonly port: number;
  readonly inline: boolean;
  readonly publicFaults: boolean;
  readonly idleTimeout: string;
  readonly json: boolean;
}

void runCommand((program, finish) => {
  program
    .name('local')
    .description('Runs a topology on this machine until Ctrl-C.')
    .argument('<topology>', 'a name in topologies/, or a path')
    .option('--port <number>', 'port of the edge (default: a free one)', parsePort, 0)
    .option(
      '--inline',
      'all nodes in one process, sharing one event loop: for topologies of a thousand services',
      false,
    )
    .option('--public-faults', 'let itineraries and overlays in at the edge, for those who have a token', false)
    .option('--idle-timeout <duration>', 'the edge ends a request on which nothing moves for so long, as an ALB', '60s')
    .option('--json', 'print the deployment as one line of JSON once it is ready', false)
    .action(async (nameOrPath: string, options: Options) => finish(await local(nameOrPath, options)));
});

async function local(nameOrPath: string, options: Options): Promise<ExitCode> {
  const { port, inline, publicFaults, json } = options;
  const idleTimeoutMs = parseDuration(options.idleTimeout, '--idle-timeout');
  const topology = loadTopology(nameOrPath);
  const stop = watchStop();
  const progress = startProgress(topology.name);
  let run: LocalRun;
  try {
    run = await launch(topology, {
      port,
      inline,
      publicFaults,
      balancer: { idleTimeoutMs },
      signal: stop.signal,
      onProgress: progress.show,
      onNotice: (line) => process.stderr.write(`${line}\n`),
    });
  } catch (error) {
    progress.clear();
    if (stop.signal.aborted) return 0;
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  progress.clear();
  process.stdout.write(json ? `${JSON.stringify(run.deployment)}\n` : describe(nameOrPath, run, inline));

  await stop.requested;
  if (process.stderr.isTTY) process.stderr.write('stopping; Ctrl-C again ends everything at once\n');
  void stop.forced.then(() => run.kill());
  await run.stop();
  return 0;
}

function describe(nameOrPath: string, { deployment, url, folder }: LocalRun, inline: boolean): string {
  const { topology, instances } = deployment;
  const lines = [`${topology.name} is up at ${url}`, ''];
  if (inline) lines.push('All nodes run in one process and share one event loop: what one computes, all wait for.', '');
  lines.push(...edgeLines(topology, url), '', ...instanceLines(deployment.instances), '');
  lines.push(
    `${instances.length} instance${instances.length === 1 ? '' : 's'}, logs in ${folder}/logs`,
    `Traffic: npx ts-node tools/load.ts ${nameOrPath}`,
    'Ctrl-C stops it.',
    '',
  );
  return lines.join('\n');
}

/** A `curl` for each endpoint of the edge; a parameter of a path is filled with 1. */
function edgeLines(topology: Topology, url: string): readonly string[] {
  return Object.values(topology.services)
    .filter(({ edge }) => edge)
    .flatMap((service) =>
      Object.values(service.endpoints).map(({ method, path, anyMethod }) => {
        const target = `${url}${edgePrefix(topology, service)}${fillPath(path, () => 0)}`;
        return `  curl ${method === 'GET' || anyMethod ? '' : `-X ${method} `}${target}`;
      }),
    );
}

function instanceLines(instances: LocalRun['deployment']['instances']): readonly string[] {
  const shown = instances.slice(0, MAX_ROWS);
  const width = Math.max(8, ...shown.map(({ instance }) => instance.length));
  const rows = shown.map(({ instance, pid, meshPort, edgePort }) =>
    `  ${instance.padEnd(width)}  ${String(pid).padStart(7)}  ${String(meshPort).padStart(5)}  ${edgePort ?? ''}`.trimEnd(),
  );
  const rest = instances.length - shown.length;
  const head = `  ${'instance'.padEnd(width)}  ${'process'.padStart(7)}  ${'mesh'.padStart(5)}  edge`;
  return [head, ...rows, ...(rest > 0 ? [`  and ${rest} more, all in --json`] : [])];
}

const MAX_ROWS = 40;

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('a port is a whole number from 0 (a free one) to 65535.');
}

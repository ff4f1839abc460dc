import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CloudWatchLogsClient, GetQueryResultsCommand, StartQueryCommand } from '@aws-sdk/client-cloudwatch-logs';
import { Command } from 'commander';
import { readRun } from '../lib/flows/read-run';
import { openCloudWatchRun } from '../lib/logs/cloudwatch/cloudwatch-source';
import { logsClient } from '../lib/logs/cloudwatch/logs-client';
import { loadTopology } from '../lib/model/load-topology';
import { simulate } from '../test/support/simulate';

/**
 * What reading a run's events from CloudWatch Logs costs, as a ratio to fetching the same pages with the same SDK and
 * throwing them away. A server in a process of its own records each page once and serves it from memory, with at most
 * 10,000 rows a page and every n-th call throttled. CPU seconds of the reader, medians of interleaved rounds.
 */
interface Settings {
  readonly rows: readonly (readonly [timestampMs: number, message: string])[];
  readonly throttleEvery: number;
}

interface Call {
  readonly operation: string;
  readonly input: Record<string, unknown>;
}

const PAGE_ROWS = 10_000;

async function main(): Promise<void> {
  const program = new Command()
    .description('Ratio of reading a run from CloudWatch Logs to fetching its pages and throwing them away.')
    .option('--requests <n>', 'requests of the run, about 34 events each', '3000')
    .option('--rounds <n>', 'interleaved rounds', '3')
    .option('--throttle-every <n>', 'every n-th call is throttled', '10')
    .parse();
  const { requests, rounds, throttleEvery } = program.opts<Record<string, string>>();
  const simulation = simulate({ topology: loadTopology('shop'), requests: Number(requests) });
  const lines = [
    ...simulation.manifest.map((record) => JSON.stringify(record)),
    ...[...simulation.files.values()].flat(),
  ];
  const rows = lines
    .filter((line) => line !== '')
    .map((line) => [Date.parse((JSON.parse(line) as { timestamp: string }).timestamp), line] as const)
    .sort(([a], [b]) => a - b);

  const server = fork(__filename, ['serve'], { execArgv: ['-r', 'ts-node/register'] });
  const ready = new Promise<string>((resolve) => server.once('message', (url) => resolve(url as string)));
  server.send({ rows, throttleEvery: Number(throttleEvery) } satisfies Settings);
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: await ready,
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
  });
  const client = logsClient();
  const plainClient = new CloudWatchLogsClient({ maxAttempts: 10 });
  const last = rows.at(-1)?.[0] ?? 0;
  const calls: Call[] = [];
  client.middlewareStack.add(
    (next, context) => (args) => {
      if (recording) calls.push({ operation: context.commandName ?? '', input: { ...(args.input as object) } });
      return next(args);
    },
    { step: 'initialize' },
  );
  let recording = true;
  const toEvents = async (): Promise<number> => {
    const source = await openCloudWatchRun(simulation.run, { client, now: () => last + 60_000 });
    const { events } = await readRun(source);
    return events.streams.reduce((sum, stream) => sum + stream.events, 0);
  };
  const found = await toEvents();
  recording = false;
  const thrownAway = async (): Promise<number> => {
    let count = 0;
    let queryId: string | undefined;
    for (const { operation, input } of calls) {
      if (operation === 'StartQueryCommand') {
        queryId = (await plainClient.send(new StartQueryCommand(input as never))).queryId;
      } else if (operation === 'GetQueryResultsCommand') {
        const page = await plainClient.send(new GetQueryResultsCommand({ ...input, queryId } as never));
        count += page.results?.length ?? 0;
      }
    }
    return count;
  };
  const costs = { events: [] as number[], pages: [] as number[] };
  for (let round = 0; round < Number(rounds); round++) {
    costs.pages.push(await cpuSeconds(thrownAway));
    costs.events.push(await cpuSeconds(toEvents));
  }
  server.kill();
  client.destroy();
  plainClient.destroy();
  const [pages, events] = [median(costs.pages), median(costs.events)];
  process.stdout.write(`${found} events of ${rows.length} rows, run ${simulation.run}\n`);
  process.stdout.write(`pages thrown away  ${pages.toFixed(2)} s of CPU\n`);
  process.stdout.write(`read to events     ${events.toFixed(2)} s of CPU, ${(events / pages).toFixed(2)}x\n`);
}

async function cpuSeconds(work: () => Promise<number>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The other process: rows by query, each page as text made once. */
function serve({ rows, throttleEvery }: Settings): void {
  const pages = new Map<string, string>();
  const queries = new Map<string, string>();
  let count = 0;
  const pageOf = (query: string, from: number): string => {
    const key = `${query} ${from}`;
    const known = pages.get(key);
    if (known !== undefined) return known;
    const { startTime, endTime, queryString } = JSON.parse(query);
    const run = /run = "([^"]*)"/.exec(queryString)?.[1];
    const found = rows.filter(
      ([time, message]) =>
        time >= startTime * 1000 &&
        time < (endTime + 1) * 1000 &&
        (run === undefined || message.includes(`"run":"${run}"`)) &&
        (!queryString.includes('ispresent(record)') || message.includes('"record":"')),
    );
    const results = found.slice(from, from + PAGE_ROWS).map(([time, message], index) => {
      const at = new Date(time).toISOString().replace('T', ' ').replace('Z', '');
      return [
        { field: '@timestamp', value: at },
        { field: '@ingestionTime', value: at },
        { field: '@message', value: message },
        { field: '@ptr', value: `${from + index}` },
      ];
    });
    const next = from + PAGE_ROWS < found.length ? { nextToken: String(from + PAGE_ROWS) } : {};
    const page = JSON.stringify({ status: 'Complete', results, statistics: { recordsMatched: found.length }, ...next });
    pages.set(key, page);
    return page;
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    count += 1;
    if (count % throttleEvery === 0) {
      response.writeHead(400).end('{"__type":"ThrottlingException","message":"Rate exceeded"}');
      return;
    }
    const text = Buffer.concat(chunks).toString();
    const input = JSON.parse(text);
    if (String(request.headers['x-amz-target']).endsWith('.StartQuery')) {
      const queryId = `q${queries.size}`;
      queries.set(queryId, text);
      response.end(JSON.stringify({ queryId }));
    } else response.end(pageOf(queries.get(input.queryId) ?? '', Number(input.nextToken ?? 0)));
  });
  server.listen(0, '127.0.0.1', () => process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
}

if (process.argv[2] === 'serve') process.once('message', (settings) => serve(settings as Settings));
else void main();

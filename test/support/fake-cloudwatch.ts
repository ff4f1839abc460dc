import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import type { ExecutionContext } from 'ava';

/**
 * A loopback server that speaks CloudWatch Logs' JSON protocol over rows given: StartQuery with a run filter, time
 * range and limit, GetQueryResults in pages, FilterLogEvents in pages. It can throttle, refuse and repeat like the real one.
 */
export interface FakeCloudWatch {
  readonly client: CloudWatchLogsClient;
  /** How often each operation was called. */
  readonly calls: Readonly<Record<string, number>>;
}

export interface FakeRow {
  readonly timestampMs: number;
  readonly message: string;
  readonly stream?: string;
}

export interface FakeOptions {
  readonly rows: readonly FakeRow[];
  /** Rows a page. @default 1000 */
  readonly pageSize?: number;
  /** Every n-th call is answered with a ThrottlingException first. */
  readonly throttleEvery?: number;
  readonly refuse?: readonly string[];
  readonly missing?: boolean;
}

type Input = Record<string, unknown>;

export async function fakeCloudWatch(t: ExecutionContext, options: FakeOptions): Promise<FakeCloudWatch> {
  const { rows, pageSize = 1_000, throttleEvery = 0, refuse = [], missing = false } = options;
  const calls: Record<string, number> = {};
  const queries = new Map<string, readonly (readonly [FakeRow, number])[]>();
  let count = 0;

  const answer = (operation: string, input: Input): [status: number, body: unknown] => {
    calls[operation] = (calls[operation] ?? 0) + 1;
    count += 1;
    if (throttleEvery > 0 && count % throttleEvery === 0)
      return [400, { __type: 'ThrottlingException', message: 'slow' }];
    if (refuse.includes(operation)) return [400, { __type: 'AccessDeniedException', message: 'no' }];
    if (missing)
      return [400, { __type: 'ResourceNotFoundException', message: 'The specified log group does not exist.' }];
    if (operation === 'StartQuery') {
      const queryId = `q${queries.size}`;
      const text = input.queryString as string;
      const run = /run = "([^"]*)"/.exec(text)?.[1];
      const found = rows
        .map((row, index) => [row, index] as const)
        .filter(([{ timestampMs }]) =>
          within(timestampMs, (input.startTime as number) * 1000, (input.endTime as number) * 1000 + 999),
        )
        .filter(([{ message }]) => run === undefined || message.includes(`"run":"${run}"`))
        .filter(([{ message }]) => !text.includes('ispresent(record)') || message.includes('"record":'))
        .sort(([a], [b]) => a.timestampMs - b.timestampMs)
        .slice(0, Number(/limit (\d+)/.exec(text)?.[1]));
      queries.set(queryId, found);
      return [200, { queryId }];
    }
    if (operation === 'GetQueryResults') {
      const found = queries.get(input.queryId as string) ?? [];
      const offset = Number(input.nextToken ?? 0);
      const page = found.slice(offset, offset + pageSize);
      const end = offset + pageSize;
      return [
        200,
        {
          status: 'Complete',
          // The service says so; not everything that speaks its protocol does.
          ...(queries.size % 2 === 0 && { statistics: { recordsMatched: found.length } }),
          results: page.map(([row, index]) => [
            { field: '@timestamp', value: new Date(row.timestampMs).toISOString().replace('T', ' ').replace('Z', '') },
            { field: '@message', value: row.message },
            { field: '@ptr', value: `ptr${index}` },
          ]),
          ...(end < found.length && { nextToken: String(end) }),
        },
      ];
    }
    if (operation === 'FilterLogEvents') {
      const offset = Number(input.nextToken ?? 0);
      // As the service may: every other page is empty, and an event is repeated at the start of the next page.
      const start = Math.floor(offset / 2) * pageSize;
      const page = offset % 2 === 1 ? [] : rows.slice(Math.max(0, start - 1), start + pageSize);
      const events = page
        .filter(({ timestampMs }) => within(timestampMs, input.startTime as number, input.endTime as number))
        .map((row) => ({
          eventId: `e${rows.indexOf(row)}`,
          timestamp: row.timestampMs,
          message: row.message,
          logStreamName: row.stream ?? 'web-1',
        }));
      return [200, { events, ...(start + pageSize < rows.length && { nextToken: String(offset + 1) }) }];
    }
    return [200, {}];
  };

  const server = createServer((request, response) => void serve(request, response, answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const client = new CloudWatchLogsClient({
    region: 'eu-central-1',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 6,
  });
  t.teardown(() => client.destroy());
  return { client, calls };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (operation: string, input: Input) => [number, unknown],
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const operation = String(request.headers['x-amz-target']).replace(/^.*\./, '');
  const [status, body] = answer(operation, JSON.parse(Buffer.concat(chunks).toString()) as Input);
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
}

function within(value: number, from: number, to: number): boolean {
  return value >= from && value <= to;
}

import {
  type CloudWatchLogsClient,
  GetQueryResultsCommand,
  type GetQueryResultsCommandOutput,
  type ResultField,
  StartQueryCommand,
  StopQueryCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import type { LogRow, RecordFilter, TimeRange } from './log-row';

/** Most results of one query; a query that reaches it is cut in two by time. */
export const RESULT_LIMIT = 100_000;
/** Most results of one GetQueryResults. */
export const PAGE_LIMIT = 10_000;
const POLL_MS = [200, 400, 800, 1_000];
const QUERY_TIMEOUT_MS = 15 * 60_000;
const BUSY_ATTEMPTS = 8;
/** Length of a time as Insights writes it, and the point before its milliseconds. */
const WRITTEN = 23;
const POINT = 46;

export interface InsightsOptions {
  readonly client: CloudWatchLogsClient;
  readonly logGroup: string;
  /** @default RESULT_LIMIT */
  readonly limit?: number;
  /** Reads a stretch in which a single second holds more rows than a query returns. */
  readonly readDense: (range: TimeRange) => AsyncGenerator<readonly LogRow[]>;
  /** Told after every page how many rows have come. */
  readonly onRows?: (rows: number) => void;
}

/**
 * All rows of a time range that Logs Insights finds for a filter, by rising time, in pages. Where a query reaches the
 * limit its range is halved; both halves contain the middle second (Insights counts in whole seconds, both ends
 * included), and rows of that second which came with the first half are left out of the second.
 */
export async function* queryRows(
  options: InsightsOptions,
  filter: RecordFilter,
  range: TimeRange,
): AsyncGenerator<readonly LogRow[]> {
  const limit = options.limit ?? RESULT_LIMIT;
  const pending: Seconds[] = [{ from: Math.floor(range.fromMs / 1000), to: Math.ceil(range.toMs / 1000) }];
  /** The rows of the last second read, which the next range may hold again. FilterLogEvents has ids of its own, so lines are compared. */
  let boundary: ReadonlySet<string> = new Set();
  for (let seconds = pending.pop(); seconds; seconds = pending.pop()) {
    const pages = await runQuery(options, filter, seconds, limit);
    if (pages === null) {
      if (seconds.to - seconds.from <= 1) {
        const dense = { fromMs: seconds.from * 1000, toMs: seconds.to * 1000 - 1 };
        for await (const page of options.readDense(dense)) yield page.filter((row) => !boundary.has(row.message));
        boundary = new Set();
        continue;
      }
      const middle = Math.floor((seconds.from + seconds.to) / 2);
      pending.push({ from: middle, to: seconds.to }, { from: seconds.from, to: middle });
      continue;
    }
    const ofLastSecond = new Set<string>();
    for await (const page of pages) {
      // Without a boundary no line needs to be hashed.
      const fresh = boundary.size === 0 ? page : page.filter((row) => !boundary.has(row.message));
      for (const row of page) if (row.timestampMs >= seconds.to * 1000) ofLastSecond.add(row.message);
      options.onRows?.(fresh.length);
      yield fresh;
    }
    boundary = ofLastSecond;
  }
}

/** Whole seconds since 1970, both included. */
interface Seconds {
  readonly from: number;
  readonly to: number;
}

/**
 * The pages of a query's rows, or null where it reached its limit: rows of a cut query are not complete. The service
 * says beforehand how many rows matched; where nothing does, the pages are kept until they are counted.
 */
async function runQuery(
  { client, logGroup }: InsightsOptions,
  { run, manifestOnly }: RecordFilter,
  { from, to }: Seconds,
  limit: number,
): Promise<AsyncIterable<readonly LogRow[]> | readonly (readonly LogRow[])[] | null> {
  const conditions = [
    ...(run === null ? [] : [`run = ${JSON.stringify(run)}`]),
    ...(manifestOnly ? ['ispresent(record)'] : []),
  ];
  const queryString = [
    'fields @timestamp, @ingestionTime, @message',
    `filter ${conditions.join(' and ')}`,
    'sort @timestamp asc',
    `limit ${limit}`,
  ].join(' | ');
  const queryId = await start(client, { logGroupName: logGroup, startTime: from, endTime: to, queryString, limit });
  const deadline = Date.now() + QUERY_TIMEOUT_MS;
  try {
    for (let poll = 0; ; poll++) {
      const answer = await client.send(new GetQueryResultsCommand({ queryId, maxItems: PAGE_LIMIT }));
      if (answer.status === 'Complete') {
        const matched = answer.statistics?.recordsMatched;
        if (matched !== undefined) return matched < limit ? pagesOf(client, queryId, pageOf(answer), limit) : null;
        const pages: (readonly LogRow[])[] = [];
        for await (const page of pagesOf(client, queryId, pageOf(answer), Number.POSITIVE_INFINITY)) pages.push(page);
        return pages.reduce((sum, page) => sum + page.length, 0) < limit ? pages : null;
      }
      if (answer.status !== 'Running' && answer.status !== 'Scheduled') {
        throw new Error(`the query of ${logGroup} ended as ${answer.status}`);
      }
      if (Date.now() > deadline) throw new Error(`the query of ${logGroup} took longer than ${QUERY_TIMEOUT_MS} ms`);
      await pause(POLL_MS[Math.min(poll, POLL_MS.length - 1)] as number);
    }
  } catch (error) {
    await client.send(new StopQueryCommand({ queryId })).catch(() => undefined);
    throw error;
  }
}

interface Page {
  readonly rows: readonly LogRow[];
  readonly nextToken: string | undefined;
}

async function* pagesOf(
  client: CloudWatchLogsClient,
  queryId: string,
  first: Page,
  limit: number,
): AsyncGenerator<readonly LogRow[]> {
  let count = 0;
  let { rows, nextToken } = first;
  for (;;) {
    count += rows.length;
    if (count >= limit) throw new Error(`a query gave ${count} rows, more than it said`);
    yield rows;
    if (nextToken === undefined) return;
    rows = [];
    const command = new GetQueryResultsCommand({ queryId, nextToken, maxItems: PAGE_LIMIT });
    ({ rows, nextToken } = pageOf(await client.send(command)));
  }
}

/** The rows alone: an answer of ten thousand rows is fifty thousand objects, which must not wait until the next one. */
function pageOf({ results = [], nextToken }: GetQueryResultsCommandOutput): Page {
  return { rows: rowsOf(results), nextToken };
}

/** An account may have 100 queries at work; one more is refused until another ends. */
async function start(
  client: CloudWatchLogsClient,
  input: ConstructorParameters<typeof StartQueryCommand>[0],
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { queryId } = await client.send(new StartQueryCommand(input));
      if (queryId === undefined) throw new Error('StartQuery gave no query id');
      return queryId;
    } catch (error) {
      if ((error as Error).name !== 'LimitExceededException' || attempt === BUSY_ATTEMPTS) throw error;
      await pause(250 * 2 ** attempt);
    }
  }
}

function rowsOf(results: readonly (readonly ResultField[])[]): LogRow[] {
  const rows: LogRow[] = [];
  for (const fields of results) {
    let message: string | undefined;
    let timestampMs: number | undefined;
    let ingestedMs: number | null = null;
    for (const { field, value } of fields) {
      if (value === undefined) continue;
      if (field === '@message') message = value;
      else if (field === '@timestamp') timestampMs = parseTime(value);
      else if (field === '@ingestionTime') ingestedMs = parseTime(value);
    }
    if (message !== undefined && timestampMs !== undefined) rows.push({ timestampMs, ingestedMs, message });
  }
  return rows;
}

/** The last second met: times of neighbouring rows differ in their milliseconds. */
const second = { text: '', ms: 0 };

/** Insights writes `2026-11-21 05:44:29.123`, in UTC; milliseconds since 1970 are taken too. */
function parseTime(text: string): number {
  if (text.length === WRITTEN && text.charCodeAt(WRITTEN - 4) === POINT) {
    const prefix = text.slice(0, WRITTEN - 4);
    if (prefix !== second.text) {
      second.ms = Date.parse(`${prefix.replace(' ', 'T')}Z`);
      second.text = prefix;
    }
    return second.ms + Number(text.slice(WRITTEN - 3));
  }
  return /^\d+$/.test(text) ? Number(text) : Date.parse(`${text.replace(' ', 'T')}Z`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

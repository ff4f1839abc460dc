import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { CLOCK_PERIOD_MS, logGroupName } from '../../model/contract';
import { ADHOC_RUN, NO_RUN, parseRunId } from '../../model/run-id';
import { UserError } from '../../model/user-error';
import type { Arrival, LogSource, LogStream, RunManifest } from '../log-source';
import { NO_MANIFEST } from '../log-source';
import { parseManifest, parseRecord } from '../read-manifest';
import { explainError, isRefused } from './explain-error';
import { filterRows } from './filter-events';
import { queryRows } from './insights';
import { type LogRow, type RecordFilter, type TimeRange, wantedBy } from './log-row';

export interface CloudWatchOptions {
  readonly client: CloudWatchLogsClient;
  /** Told what is being done, for people who wait, and what had to be done otherwise. */
  readonly onProgress?: (rows: number) => void;
  readonly onNotice?: (notice: string) => void;
  /** Rows per query, for tests. @default the service's limit */
  readonly queryLimit?: number;
  readonly now?: () => number;
}

/** What is known of a run already, on the machine that its driver ran on. */
export interface KnownRun {
  readonly manifest: RunManifest;
  /** Its driver's own log, which is read in place of what it uploaded. */
  readonly clientLog: LogStream;
}

/** The driver's clock may be behind or ahead of the hosts'. */
const START_MARGIN_MS = 5 * 60_000;
/** Longest deadline of an endpoint plus the time a node takes to drain, after the last request. */
const END_MARGIN_MS = 10 * 60_000;
/** CloudWatch takes events up to two hours ahead of its own clock. */
const AHEAD_MS = 2 * 60 * 60_000;
const RUNS_LISTED_DAYS = 14;

/**
 * The records of a run from its topology's log group: those of the run, and those of the processes in its window. The
 * log group and the start follow from the run id, the end from the run's manifest.
 *
 * @param known where the driver's records are at hand: then the log group is asked for the nodes' only
 * @throws UserError without credentials, permission, log group or run (naming those that exist)
 */
export async function openCloudWatchRun(run: string, options: CloudWatchOptions, known?: KnownRun): Promise<LogSource> {
  const id = parseRunId(run);
  if (!id) {
    throw new UserError({
      where: 'run',
      problem: `${JSON.stringify(run)} is no run id`,
      remedy: 'a run id looks like shop-20261121t054429z-k3qa',
    });
  }
  const now = options.now ?? Date.now;
  const reader = rowReader(known?.manifest.start?.aws?.logGroup ?? logGroupName(id.topology), options);
  const fromMs = id.start.getTime() - START_MARGIN_MS;
  const manifest = known?.manifest ?? (await readManifestRows(reader, run, { fromMs, toMs: now() + AHEAD_MS }));
  if (manifest.start === null && !(await anyRow(reader, run, { fromMs, toMs: now() + AHEAD_MS }))) {
    throw await unknownRun(reader, run, now());
  }
  const endMs = manifest.end ? Date.parse(manifest.end.timestamp) + END_MARGIN_MS : now();
  const toMs = Math.min(endMs, now() + AHEAD_MS);
  const uploaded = known && `"process":"${manifest.start?.process}"`;
  return {
    run,
    topology: id.topology,
    place: reader.logGroup,
    manifest,
    sinceMs: null,
    async *streams() {
      if (known) yield known.clientLog;
      yield* oneStream(reader, run, { fromMs, toMs }, (line) => uploaded === undefined || !line.includes(uploaded));
    },
    arrival: reader.arrival,
  };
}

/** Requests of a topology that belonged to no run, since a moment (milliseconds since 1970). */
export async function openCloudWatchAdhoc(
  topology: string,
  sinceMs: number,
  options: CloudWatchOptions,
): Promise<LogSource> {
  const reader = rowReader(logGroupName(topology), options);
  const range = { fromMs: sinceMs - START_MARGIN_MS, toMs: (options.now ?? Date.now)() };
  return {
    run: ADHOC_RUN,
    topology,
    place: reader.logGroup,
    manifest: NO_MANIFEST,
    sinceMs,
    streams: () => oneStream(reader, ADHOC_RUN, range, () => true),
    arrival: reader.arrival,
  };
}

interface RowReader {
  readonly logGroup: string;
  /** Rows by rising time as far as the way of reading sorts them, each once, filtered again on this side. */
  read(filter: RecordFilter, range: TimeRange): AsyncGenerator<readonly LogRow[]>;
  arrival(): Arrival;
}

/** Reads by Logs Insights; where that is refused, and for seconds too full for it, by FilterLogEvents, and says so. */
function rowReader(logGroup: string, options: CloudWatchOptions): RowReader {
  const { client, queryLimit, onProgress, onNotice = () => {} } = options;
  let insights = true;
  const arrived = { events: 0, sumMs: 0, maxMs: 0 };

  async function* filtered(filter: RecordFilter, range: TimeRange): AsyncGenerator<readonly LogRow[]> {
    try {
      yield* filterRows(client, logGroup, filter, range, onProgress);
    } catch (error) {
      throw explainError(error, { action: 'logs:FilterLogEvents', logGroup });
    }
  }

  async function* rows(filter: RecordFilter, range: TimeRange): AsyncGenerator<readonly LogRow[]> {
    if (insights) {
      const readDense = (dense: TimeRange): AsyncGenerator<readonly LogRow[]> => {
        onNotice(
          `${new Date(dense.fromMs).toISOString()} holds too many events for Logs Insights: FilterLogEvents reads it`,
        );
        return filtered(filter, dense);
      };
      try {
        yield* queryRows({ client, logGroup, limit: queryLimit, readDense, onRows: onProgress }, filter, range);
        return;
      } catch (error) {
        if (!isRefused(error)) throw explainError(error, { action: 'logs:StartQuery', logGroup });
        onNotice('Logs Insights is not permitted (logs:StartQuery): reading with FilterLogEvents, which is slower');
        insights = false;
      }
    }
    yield* filtered(filter, range);
  }

  return {
    logGroup,
    async *read(filter, range) {
      const isWanted = wantedBy(filter);
      for await (const page of rows(filter, range)) {
        const found = page.filter(({ message }) => isWanted(message));
        for (const { timestampMs, ingestedMs } of found) {
          if (ingestedMs === null) continue;
          const lateMs = ingestedMs - timestampMs;
          arrived.events += 1;
          arrived.sumMs += lateMs;
          if (lateMs > arrived.maxMs) arrived.maxMs = lateMs;
        }
        yield found;
      }
    },
    arrival: () => ({
      events: arrived.events,
      meanMs: arrived.events === 0 ? 0 : arrived.sumMs / arrived.events,
      maxMs: arrived.maxMs,
    }),
  };
}

/** All in one stream: pages hold the rows of many instances, and every line names its own. */
async function* oneStream(
  reader: RowReader,
  run: string,
  range: TimeRange,
  isOwn: (line: string) => boolean,
): AsyncGenerator<LogStream> {
  yield {
    name: reader.logGroup,
    async *chunks() {
      const around = { fromMs: range.fromMs - CLOCK_PERIOD_MS, toMs: range.toMs + CLOCK_PERIOD_MS };
      for (const [filterRun, within] of [
        [run, range],
        [NO_RUN, around],
      ] as const) {
        for await (const page of reader.read({ run: filterRun, manifestOnly: false }, within)) {
          const lines = page.filter(({ message }) => isOwn(message) && parseManifestLine(message) === undefined);
          if (lines.length > 0) yield Buffer.from(`${lines.map(({ message }) => message.trimEnd()).join('\n')}\n`);
        }
      }
    },
  };
}

/** Manifest records share the log with the events and are no events. */
function parseManifestLine(message: string): unknown {
  // Events begin so, and no record of a manifest does.
  if (message.startsWith('{"timestamp":"')) return undefined;
  return message.includes('"record":"') ? parseRecord(message) : undefined;
}

async function readManifestRows(reader: RowReader, run: string, range: TimeRange): Promise<RunManifest> {
  const lines: string[] = [];
  for await (const page of reader.read({ run, manifestOnly: true }, range)) {
    for (const { message } of page) if (parseRecord(message)) lines.push(message);
  }
  return parseManifest(lines, run);
}

async function anyRow(reader: RowReader, run: string, range: TimeRange): Promise<boolean> {
  for await (const page of reader.read({ run, manifestOnly: false }, range)) if (page.length > 0) return true;
  return false;
}

async function unknownRun(reader: RowReader, run: string, nowMs: number): Promise<UserError> {
  const range = { fromMs: nowMs - RUNS_LISTED_DAYS * 24 * 60 * 60_000, toMs: nowMs + AHEAD_MS };
  const runs: string[] = [];
  for await (const page of reader.read({ run: null, manifestOnly: true }, range)) {
    runs.push(
      ...page.flatMap(({ message }) => {
        const record = parseRecord(message);
        return record?.record === 'start' ? record.run : [];
      }),
    );
  }
  const remedy =
    runs.length > 0
      ? `runs of the last ${RUNS_LISTED_DAYS} days: ${runs.slice(-8).reverse().join(', ')}`
      : `${reader.logGroup} has no run of the last ${RUNS_LISTED_DAYS} days; make one with tools/load.ts <topology> --aws`;
  return new UserError({ where: 'run', problem: `there is no run ${run} in ${reader.logGroup}`, remedy });
}

import { type CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import type { LogRow, RecordFilter, TimeRange } from './log-row';

/**
 * All rows of a time range by FilterLogEvents: slower than Insights and throttled sooner, but without a limit and with a
 * permission of its own. Pages may be empty and still have a successor; an event may come twice and is handed out once.
 */
export async function* filterRows(
  client: CloudWatchLogsClient,
  logGroup: string,
  { run, manifestOnly }: RecordFilter,
  { fromMs, toMs }: TimeRange,
  onRows: (rows: number) => void = () => {},
): AsyncGenerator<readonly LogRow[]> {
  const conditions = [
    ...(run === null ? [] : [`($.run = ${JSON.stringify(run)})`]),
    ...(manifestOnly ? ['($.record = "*")'] : []),
  ];
  const filterPattern = `{ ${conditions.join(' && ')} }`;
  let previous = new Set<string>();
  let nextToken: string | undefined;
  do {
    const page = await client.send(
      new FilterLogEventsCommand({
        logGroupName: logGroup,
        startTime: fromMs,
        endTime: toMs,
        filterPattern,
        nextToken,
      }),
    );
    const ids = new Set<string>();
    const fresh: LogRow[] = [];
    for (const { eventId, timestamp, ingestionTime, message } of page.events ?? []) {
      if (eventId === undefined || timestamp === undefined || message === undefined) continue;
      if (!previous.has(eventId) && !ids.has(eventId)) {
        fresh.push({ timestampMs: timestamp, ingestedMs: ingestionTime ?? null, message });
      }
      ids.add(eventId);
    }
    if (ids.size > 0) previous = ids;
    onRows(fresh.length);
    if (fresh.length > 0) yield fresh;
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
}

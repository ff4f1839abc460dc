import {
  type CloudWatchLogsClient,
  CreateLogStreamCommand,
  type InputLogEvent,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { explainError } from './explain-error';

/** PutLogEvents takes at most 10,000 events and 1,048,576 bytes, each event counted with 26 bytes more, over 24 hours. */
const BATCH_EVENTS = 10_000;
const BATCH_BYTES = 1_048_576;
const EVENT_OVERHEAD_BYTES = 26;
const BATCH_SPAN_MS = 24 * 60 * 60_000;

/**
 * Writes lines, each a JSON object with a `timestamp`, to a stream of a log group; the stream is made where it does not
 * exist. Lines without a readable timestamp are refused before anything is sent.
 *
 * @throws UserError without credentials, permission or log group; Error where the service rejects events for their age
 */
export async function putLines(
  client: CloudWatchLogsClient,
  logGroup: string,
  stream: string,
  lines: readonly string[],
): Promise<void> {
  const events = lines.map(toEvent).sort((a, b) => a.timestamp - b.timestamp);
  try {
    await client.send(new CreateLogStreamCommand({ logGroupName: logGroup, logStreamName: stream }));
  } catch (error) {
    if ((error as Error).name !== 'ResourceAlreadyExistsException') {
      throw explainError(error, { action: 'logs:CreateLogStream', logGroup });
    }
  }
  for (const logEvents of batches(events)) {
    let rejected: unknown;
    try {
      const answer = await client.send(
        new PutLogEventsCommand({ logGroupName: logGroup, logStreamName: stream, logEvents: [...logEvents] }),
      );
      rejected = answer.rejectedLogEventsInfo;
    } catch (error) {
      throw explainError(error, { action: 'logs:PutLogEvents', logGroup });
    }
    if (rejected !== undefined) throw new Error(`${logGroup} rejected events: ${JSON.stringify(rejected)}`);
  }
}

interface TimedEvent extends InputLogEvent {
  readonly timestamp: number;
  readonly message: string;
}

function toEvent(message: string): TimedEvent {
  const timestamp = Date.parse((JSON.parse(message) as { timestamp: string }).timestamp);
  if (Number.isNaN(timestamp)) throw new Error(`a line without a timestamp: ${message.slice(0, 100)}`);
  return { timestamp, message };
}

function* batches(events: readonly TimedEvent[]): Generator<readonly TimedEvent[]> {
  let batch: TimedEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = Buffer.byteLength(event.message) + EVENT_OVERHEAD_BYTES;
    const first = batch[0] ?? event;
    const full = batch.length === BATCH_EVENTS || bytes + size > BATCH_BYTES;
    if (full || event.timestamp - first.timestamp >= BATCH_SPAN_MS) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(event);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

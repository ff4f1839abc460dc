import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';

/** Where and how CloudWatch Logs is reached; Region and credentials come the SDK's usual way. */
export interface LogsClientOptions {
  /** @default the environment's or the profile's */
  readonly region?: string;
}

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** Insights allows 10 calls a second and FilterLogEvents 5 to 25: a reader that pages runs into that as a matter of course. */
const ATTEMPTS = 10;

/** A client that slows down when it is throttled and gives up on calls that hang. */
export function logsClient({ region }: LogsClientOptions = {}): CloudWatchLogsClient {
  const client = new CloudWatchLogsClient({
    ...(region !== undefined && { region }),
    retryMode: 'adaptive',
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
  });
  // It copies every answer, without what is sensitive, for a logger that is not there: a tenth of the reading.
  client.middlewareStack.remove('loggerMiddleware');
  return client;
}

import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import type { LogsClientOptions } from './logs-client';

/** A client that tries again when it is throttled and gives up on calls that hang. */
export function stackClient({ region }: LogsClientOptions = {}): CloudFormationClient {
  return new CloudFormationClient({
    ...(region !== undefined && { region }),
    maxAttempts: 5,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 20_000 },
  });
}

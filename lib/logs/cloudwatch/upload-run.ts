import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { CLIENT_SERVICE, STATE } from '../../model/contract';
import { putLines } from './put-events';

/** Lines held in memory at once. */
const PIECE = 20_000;

/**
 * Writes what a run's driver recorded to the log group that the nodes write to, so that the run can be read from
 * anywhere: its manifest so far, and the client's events where `events` is set. A record that is written twice is read
 * as one.
 *
 * @param folder the run's folder here
 * @throws as `putLines`
 */
export async function uploadRun(
  client: CloudWatchLogsClient,
  logGroup: string,
  { run, folder, events }: { readonly run: string; readonly folder: string; readonly events: boolean },
): Promise<void> {
  const stream = `${CLIENT_SERVICE}/${run}`;
  if (events) {
    let piece: string[] = [];
    const put = async (): Promise<void> => {
      if (piece.length > 0) await putLines(client, logGroup, stream, piece);
      piece = [];
    };
    for await (const line of createInterface({ input: createReadStream(join(folder, STATE.clientLog)) })) {
      if (line !== '') piece.push(line);
      if (piece.length === PIECE) await put();
    }
    await put();
  }
  // The end record comes after the events that it counts.
  const manifest = await readFile(join(folder, STATE.manifest), 'utf8');
  await putLines(
    client,
    logGroup,
    stream,
    manifest.split('\n').filter((line) => line !== ''),
  );
}

import type { LoadRun } from '../lib/load/run-load';
import type * as LogsClient from '../lib/logs/cloudwatch/logs-client';
import type * as UploadRun from '../lib/logs/cloudwatch/upload-run';
import type { AwsPlace } from '../lib/model/manifest';
import { formatFault, UserError } from '../lib/model/user-error';

/** Puts what the driver records beside what the nodes log, where that is permitted. */
export interface Upload {
  /** After the run's end: the client's events and the end record. */
  finish(): Promise<void>;
}

/**
 * Writes the start record while the traffic begins. What can't be written stays in the run's folder here, and the
 * timeline joins it from there; a notice says so.
 */
export function startUpload({ region, logGroup }: AwsPlace, { run, folder }: Pick<LoadRun, 'run' | 'folder'>): Upload {
  const { logsClient }: typeof LogsClient = require('../lib/logs/cloudwatch/logs-client');
  const { uploadRun }: typeof UploadRun = require('../lib/logs/cloudwatch/upload-run');
  const client = logsClient({ region });
  let failed = false;
  const put = async (events: boolean): Promise<void> => {
    if (failed) return;
    try {
      await uploadRun(client, logGroup, { run, folder, events });
    } catch (error) {
      failed = true;
      const why = error instanceof UserError ? error.faults.map(formatFault).join('; ') : (error as Error).message;
      process.stderr.write(`the client's events stay here, in ${folder}: ${why}\n`);
    }
  };
  const started = put(false);
  return {
    async finish() {
      await started;
      await put(true);
      client.destroy();
    },
  };
}

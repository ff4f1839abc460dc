import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type * as CloudWatchSource from '../lib/logs/cloudwatch/cloudwatch-source';
import type * as LogsClient from '../lib/logs/cloudwatch/logs-client';
import { listRuns, unknownRun } from '../lib/logs/list-runs';
import { hasLocalRun, openLocalAdhoc, openLocalRun } from '../lib/logs/local-source';
import type { LogSource } from '../lib/logs/log-source';
import { parseRunId } from '../lib/model/run-id';
import { UserError } from '../lib/model/user-error';

/**
 * The logs of a run: from this machine where its folder is here, else from CloudWatch where this machine has AWS set up.
 *
 * @param onNotice told on the way what users should know
 * @throws UserError for an unknown run, naming those that exist here
 */
export async function openRun(run: string, onNotice: (notice: string) => void): Promise<LogSource> {
  if ((await hasLocalRun(run)) || parseRunId(run) === undefined || !hasAws()) return openLocalRun(run);
  const { client, source } = await cloudWatch();
  try {
    return await source.openCloudWatchRun(run, { client, onNotice });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError([...unknownRun(run, await listRuns()).faults, ...error.faults]);
  }
}

/** The requests without a run, of a topology's deployments here, else of its stack. */
export async function openAdhoc(
  topology: string,
  sinceMs: number,
  onNotice: (notice: string) => void,
): Promise<LogSource> {
  try {
    return await openLocalAdhoc(topology, sinceMs);
  } catch (error) {
    if (!(error instanceof UserError) || !hasAws()) throw error;
    const { client, source } = await cloudWatch();
    return source.openCloudWatchAdhoc(topology, sinceMs, { client, onNotice });
  }
}

/** Without any sign of AWS a look there would only make an unknown run slow to say so. */
function hasAws(): boolean {
  const names = ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE', 'AWS_ACCESS_KEY_ID'];
  return names.some((name) => process.env[name]) || existsSync(join(homedir(), '.aws', 'config'));
}

/** Loaded only when it is needed: the SDK costs half a second. `import()` would look for compiled files. */
async function cloudWatch() {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const source: typeof CloudWatchSource = require('../lib/logs/cloudwatch/cloudwatch-source');
  const { logsClient }: typeof LogsClient = require('../lib/logs/cloudwatch/logs-client');
  return { source, client: logsClient() };
}

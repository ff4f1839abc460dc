import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type * as CloudWatchSource from '../lib/logs/cloudwatch/cloudwatch-source';
import type * as LogsClient from '../lib/logs/cloudwatch/logs-client';
import { listRuns, unknownRun } from '../lib/logs/list-runs';
import { hasLocalRun, openLocalAdhoc, openLocalRun } from '../lib/logs/local-source';
import type { LogSource } from '../lib/logs/log-source';
import { fileStream } from '../lib/logs/read-file';
import { CLIENT_SERVICE, STATE } from '../lib/model/contract';
import { parseRunId } from '../lib/model/run-id';
import { UserError } from '../lib/model/user-error';
import type { Notices } from './notices';

export const REGION_OPTION = [
  '--region <region>',
  'of a run on AWS (default: the one it went to, else that of AWS_REGION or the profile)',
] as const;

export interface WhereToLook {
  /** @default of a run made here, the one that it went to; else the environment's or the profile's */
  readonly region: string | undefined;
  readonly notices: Notices;
}

/**
 * The logs of a run: from this machine where its folder is here, else from CloudWatch where this machine has AWS set up.
 * Of a run that was made here against a deployment on AWS, the client's log is here and the nodes' are there.
 *
 * @throws UserError for an unknown run, naming those that exist here
 */
export async function openRun(run: string, { region, notices }: WhereToLook): Promise<LogSource> {
  if (await hasLocalRun(run)) {
    const local = await openLocalRun(run);
    const { aws } = local.manifest.start ?? {};
    if (!aws) return local;
    const clientLog = fileStream(CLIENT_SERVICE, join(local.place, STATE.clientLog));
    const { options, source } = cloudWatch({ region: region ?? aws.region, notices });
    return source.openCloudWatchRun(run, options, { manifest: local.manifest, clientLog });
  }
  if (parseRunId(run) === undefined || (region === undefined && !hasAws())) return openLocalRun(run);
  const { options, source } = cloudWatch({ region, notices });
  try {
    return await source.openCloudWatchRun(run, options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError([...unknownRun(run, await listRuns()).faults, ...error.faults]);
  }
}

/** The requests without a run, of a topology's deployments here, else (or where a Region is given) of its stack. */
export async function openAdhoc(
  topology: string,
  sinceMs: number,
  { region, notices }: WhereToLook,
): Promise<LogSource> {
  const remote = (): Promise<LogSource> => {
    const { options, source } = cloudWatch({ region, notices });
    return source.openCloudWatchAdhoc(topology, sinceMs, options);
  };
  if (region !== undefined) return remote();
  try {
    return await openLocalAdhoc(topology, sinceMs);
  } catch (error) {
    if (!(error instanceof UserError) || !hasAws()) throw error;
    return remote();
  }
}

/** Without any sign of AWS a look there would only make an unknown run slow to say so. */
function hasAws(): boolean {
  const names = ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE', 'AWS_ACCESS_KEY_ID'];
  return names.some((name) => process.env[name]) || existsSync(join(homedir(), '.aws', 'config'));
}

/** Loaded only when it is needed: the SDK costs half a second. `import()` would look for compiled files. */
function cloudWatch({ region, notices }: WhereToLook) {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const source: typeof CloudWatchSource = require('../lib/logs/cloudwatch/cloudwatch-source');
  const { logsClient }: typeof LogsClient = require('../lib/logs/cloudwatch/logs-client');
  const client = logsClient(region === undefined ? {} : { region });
  return { source, options: { client, onNotice: notices.tell, onProgress: notices.rows } };
}

import type { Command } from 'commander';
import { UserError } from '../lib/model/user-error';

/** Where a deployment on AWS is, and how its hosts are reached. */
export interface AwsOptions {
  readonly aws?: boolean;
  readonly region?: string;
  readonly as?: string;
  /** Start the sessions, and end them. */
  readonly start?: boolean;
  /** The sessions that were printed are under way. */
  readonly forwarded?: boolean;
  readonly firstPort?: string;
  readonly keyFile?: string;
  /** Of the edge, where it has a name of its own. @default the balancer's */
  readonly url?: string;
}

/** Of the first instance's session where nothing else is said; the others' follow. */
export const FIRST_PORT = 19_090;

/** @param meaning what `--aws` does beyond naming the deployment */
export function withAwsOptions(command: Command, meaning = ''): Command {
  return command
    .option('--aws', `of its deployment on AWS${meaning}`)
    .option('--region <region>', 'with --aws: where it is (default: that of AWS_REGION or the profile)')
    .option('--as <name>', 'with --aws: the name that it was deployed as (cdk deploy -c as=<name>)')
    .option('--key-file <file>', 'with --aws: the key (default: file MICROCOSM_KEY, else read from Secrets Manager)');
}

/** @throws UserError with each option that says something of a deployment on AWS */
export function refuseAwsOptions(options: AwsOptions): void {
  const needing = (['start', 'forwarded', 'region', 'as', 'keyFile', 'url'] as const).filter((name) => options[name]);
  const faults = needing.map((name) => ({
    where: name === 'keyFile' ? '--key-file' : `--${name}`,
    problem: 'goes with --aws only',
    remedy: 'add --aws, or leave it out',
  }));
  if (faults.length > 0) throw new UserError(faults);
}

import { DescribeStacksCommand, type Stack } from '@aws-sdk/client-cloudformation';
import { STACK_OUTPUTS, stackName } from '../../model/contract';
import { UserError } from '../../model/user-error';
import { explainAwsError } from './explain-error';
import type { LogsClientOptions } from './logs-client';
import { stackClient } from './stack-client';

/** A topology's deployment on AWS, as its stack's outputs tell it. */
export interface DeployedStack {
  readonly region: string;
  readonly logGroup: string;
  /** Base URL of the balancer. */
  readonly edgeUrl: string;
  /** Hash of the topology that is deployed. */
  readonly topologyHash: string;
  /** ARN of the secret with the key of live faults; null where they are switched off. */
  readonly faultKey: string | null;
  /** Whether its edge lets itineraries and overlays in. */
  readonly publicFaults: boolean;
}

/** The outputs tell of what runs only between two changes. */
const SETTLED = [
  'CREATE_COMPLETE',
  'UPDATE_COMPLETE',
  'UPDATE_COMPLETE_CLEANUP_IN_PROGRESS',
  'UPDATE_ROLLBACK_COMPLETE',
];

/**
 * The stack of a topology (or of the name that it was deployed as).
 *
 * @throws UserError without credentials, permission or such a stack, and for one that is being changed or failed
 */
export async function findStack(topology: string, options: LogsClientOptions = {}): Promise<DeployedStack> {
  const client = stackClient(options);
  const name = stackName(topology);
  try {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: name }));
    const [stack] = Stacks;
    if (!stack) throw noStack(topology, await client.config.region());
    return read(stack, topology, await client.config.region());
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { name: kind, message } = error as Error;
    if (kind === 'ValidationError' && /does not exist/.test(message)) {
      throw noStack(topology, await client.config.region());
    }
    throw explainAwsError(error, {
      action: 'cloudformation:DescribeStacks',
      where: `CloudFormation, ${name}`,
      on: 'the stack',
    });
  } finally {
    client.destroy();
  }
}

function noStack(topology: string, region: string): UserError {
  return new UserError({
    where: `CloudFormation, ${stackName(topology)}`,
    problem: `there is no such stack in ${region}`,
    remedy: 'deploy it (npx cdk deploy -c topology=<topology>), or give the --region and --as of its deployment',
  });
}

function read({ StackStatus, Outputs = [] }: Stack, topology: string, region: string): DeployedStack {
  const where = `CloudFormation, ${stackName(topology)}`;
  const status: string = StackStatus ?? 'in an unknown state';
  if (!SETTLED.includes(status)) {
    const changing = status.endsWith('_IN_PROGRESS');
    throw new UserError({
      where,
      problem: `the stack is ${status}`,
      remedy: changing ? 'wait until it has changed' : 'deploy it again; its events say what failed',
    });
  }
  const found = (key: string): string | undefined => Outputs.find(({ OutputKey }) => OutputKey === key)?.OutputValue;
  const output = (key: string): string => {
    const value = found(key);
    if (value) return value;
    const remedy = 'deploy it again with this version';
    throw new UserError({ where, problem: `the stack has no output ${key}`, remedy });
  };
  return {
    region,
    logGroup: output(STACK_OUTPUTS.logGroup),
    edgeUrl: output(STACK_OUTPUTS.edgeUrl),
    topologyHash: output(STACK_OUTPUTS.topologyHash),
    faultKey: found(STACK_OUTPUTS.faultKey) ?? null,
    publicFaults: found(STACK_OUTPUTS.publicFaults) === 'on',
  };
}

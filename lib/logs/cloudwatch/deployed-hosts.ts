import {
  type CloudFormationClient,
  GetTemplateCommand,
  ListStackResourcesCommand,
  type StackResourceSummary,
} from '@aws-sdk/client-cloudformation';
import { HOST_TAGS, stackName } from '../../model/contract';
import { explainAwsError } from './explain-error';
import type { LogsClientOptions } from './logs-client';
import { stackClient } from './stack-client';

/** One instance of a service, and the machine that it runs on. */
export interface DeployedHost {
  readonly instance: string;
  readonly service: string;
  /** `i-…` */
  readonly machine: string;
}

/**
 * The machines of a topology's stack, nested stacks included, in the order of the instances' names: which machine a resource
 * is the stack knows, and which instance it bears the template's tags say.
 *
 * @throws UserError without credentials or permission
 */
export async function findHosts(topology: string, options: LogsClientOptions = {}): Promise<readonly DeployedHost[]> {
  const client = stackClient(options);
  const name = stackName(topology);
  try {
    const hosts = await hostsOf(client, name);
    const byName = new Intl.Collator('en', { numeric: true });
    return hosts.toSorted((a, b) => byName.compare(a.instance, b.instance));
  } catch (error) {
    const action = 'cloudformation:ListStackResources and cloudformation:GetTemplate';
    throw explainAwsError(error, { action, where: `CloudFormation, ${name}`, on: 'the stack' });
  } finally {
    client.destroy();
  }
}

async function hostsOf(client: CloudFormationClient, stack: string): Promise<readonly DeployedHost[]> {
  const made = await resourcesOf(client, stack);
  const nested = made.filter(({ ResourceType }) => ResourceType === 'AWS::CloudFormation::Stack');
  const inner: DeployedHost[] = [];
  // One after another: CloudFormation throttles early.
  for (const { PhysicalResourceId } of nested) {
    if (PhysicalResourceId) inner.push(...(await hostsOf(client, PhysicalResourceId)));
  }
  const machines = made.filter(({ ResourceType }) => ResourceType === 'AWS::EC2::Instance');
  if (machines.length === 0) return inner;
  const { TemplateBody = '{}' } = await client.send(new GetTemplateCommand({ StackName: stack }));
  const { Resources } = JSON.parse(TemplateBody) as Template;
  const own = machines.flatMap(({ LogicalResourceId = '', PhysicalResourceId: machine }): readonly DeployedHost[] => {
    const tags = Resources?.[LogicalResourceId]?.Properties?.Tags ?? [];
    const tag = (key: string): string | undefined => tags.find(({ Key }) => Key === key)?.Value;
    const [instance, service] = [tag(HOST_TAGS.instance), tag(HOST_TAGS.service)];
    return machine && instance && service ? [{ instance, service, machine }] : [];
  });
  return [...own, ...inner];
}

interface Template {
  readonly Resources?: Readonly<
    Record<
      string,
      { readonly Properties?: { readonly Tags?: readonly { readonly Key: string; readonly Value: string }[] } }
    >
  >;
}

/** Without those whose replacement is under way: a machine that is going is nobody's. */
async function resourcesOf(client: CloudFormationClient, stack: string): Promise<readonly StackResourceSummary[]> {
  const all: StackResourceSummary[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(new ListStackResourcesCommand({ StackName: stack, NextToken: token }));
    all.push(...(page.StackResourceSummaries ?? []));
    token = page.NextToken;
  } while (token !== undefined);
  return all.filter(({ ResourceStatus = '' }) => !ResourceStatus.startsWith('DELETE'));
}

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import { HOST_TAGS } from '../../lib/model/contract';

/** A stack as a loopback server that speaks CloudFormation's query protocol knows it. */
export interface FakeStack {
  readonly name: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly hosts: readonly { readonly instance: string; readonly service: string; readonly machine: string }[];
  /** Its hosts stand in two nested stacks. @default false */
  readonly nested?: boolean;
}

/** Answers DescribeStacks, ListStackResources in pages of two, and GetTemplate. Resolves to its URL. */
export async function fakeCloudFormation(t: ExecutionContext, stack: FakeStack): Promise<string> {
  const half = Math.ceil(stack.hosts.length / 2);
  const inner: Record<string, FakeStack['hosts']> = stack.nested
    ? { [stack.name]: [], nested0: stack.hosts.slice(0, half), nested1: stack.hosts.slice(half) }
    : { [stack.name]: stack.hosts };
  const answer = (action: string, name: string, token: string | null): string => {
    const hosts = inner[name];
    if (!hosts) return fault(`Stack with id ${name} does not exist`);
    switch (action) {
      case 'DescribeStacks':
        return result(action, `<Stacks>${member(described(stack))}</Stacks>`);
      case 'ListStackResources': {
        const nested = name === stack.name ? Object.keys(inner).filter((each) => each !== name) : [];
        const rows = [
          ...nested.map((each) => row(each, 'AWS::CloudFormation::Stack', each)),
          ...hosts.map(({ machine }, index) => row(`Host${index}`, 'AWS::EC2::Instance', machine)),
          row('Old', 'AWS::EC2::Instance', 'i-gone', 'DELETE_IN_PROGRESS'),
          row('Vpc', 'AWS::EC2::VPC', 'vpc-1'),
        ];
        const from = Number(token ?? 0);
        const page = rows
          .slice(from, from + 2)
          .map(member)
          .join('');
        const next = from + 2 < rows.length ? `<NextToken>${from + 2}</NextToken>` : '';
        return result(action, `<StackResourceSummaries>${page}</StackResourceSummaries>${next}`);
      }
      default:
        return result(action, `<TemplateBody>${escaped(JSON.stringify(template(hosts)))}</TemplateBody>`);
    }
  };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const asked = new URLSearchParams(body);
    const text = answer(asked.get('Action') ?? '', asked.get('StackName') ?? '', asked.get('NextToken'));
    response.writeHead(text.includes('<Error>') ? 400 : 200, { 'content-type': 'text/xml' }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function described({ name, outputs }: FakeStack): string {
  const all = Object.entries(outputs).map(([key, value]) =>
    member(`<OutputKey>${key}</OutputKey><OutputValue>${escaped(value)}</OutputValue>`),
  );
  return `<StackName>${name}</StackName><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>${all.join('')}</Outputs>`;
}

function template(hosts: FakeStack['hosts']): object {
  const tags = ({ instance, service }: FakeStack['hosts'][number]) => [
    { Key: 'Name', Value: instance },
    { Key: HOST_TAGS.service, Value: service },
    { Key: HOST_TAGS.instance, Value: instance },
  ];
  const resources = hosts.map((host, index) => [`Host${index}`, { Properties: { Tags: tags(host) } }]);
  return { Resources: { ...Object.fromEntries(resources), Vpc: {} } };
}

function row(logical: string, type: string, physical: string, status = 'CREATE_COMPLETE'): string {
  return (
    `<LogicalResourceId>${logical}</LogicalResourceId><ResourceType>${type}</ResourceType>` +
    `<PhysicalResourceId>${physical}</PhysicalResourceId><ResourceStatus>${status}</ResourceStatus>`
  );
}

function result(action: string, content: string): string {
  return `<${action}Response><${action}Result>${content}</${action}Result></${action}Response>`;
}

function fault(message: string): string {
  return `<ErrorResponse><Error><Code>ValidationError</Code><Message>${message}</Message></Error></ErrorResponse>`;
}

function member(content: string): string {
  return `<member>${content}</member>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

import type * as AwsCommand from '../lib/aws/aws-command';
import type * as AwsSession from '../lib/aws/session';
import { askControl, type ControlReply, readKeyFile } from '../lib/local/control-client';
import { giveSlices, inTurns } from '../lib/local/give-slices';
import type * as DeployedHosts from '../lib/logs/cloudwatch/deployed-hosts';
import type { DeployedHost } from '../lib/logs/cloudwatch/deployed-hosts';
import type { DeployedStack } from '../lib/logs/cloudwatch/deployed-stack';
import { ENVIRONMENT, PORTS } from '../lib/model/contract';
import { changeSlices, type LiveSlices } from '../lib/model/live-slices';
import type { Slice } from '../lib/model/slice';
import type { Topology } from '../lib/model/topology';
import { type Fault, UserError } from '../lib/model/user-error';
import { type AwsOptions, FIRST_PORT } from './aws-options';
import { deployedTopology } from './deployed-topology';
import { type LiveDeployment, stateOf } from './live-deployment';

/** Sessions at one time: each is two processes, of 80 MB or so. */
const AT_ONCE = 6;

type Ask = (host: DeployedHost, purpose: Parameters<typeof askControl>[1], body?: unknown) => Promise<ControlReply>;

/**
 * The deployment of a topology on AWS.
 *
 * @throws UserError where it is not deployed, is deployed without live faults, or the file says something else
 */
export async function awsDeployment(asked: string, options: AwsOptions, cwd: string): Promise<LiveDeployment> {
  const { topology, stack } = await deployedWithFaults(asked, options, cwd);
  const hosts = await hostsOf(topology, stack);
  const key = await keyOf(stack, options);
  const first = firstPort(options, hosts.length);
  const scope = { key, topology: topology.name };
  const ask: Ask = options.start
    ? (host, purpose, body) => throughSession(host, stack, (port) => askControl(port, purpose, scope, body))
    : (host, purpose, body) => askControl(first + hosts.indexOf(host), purpose, scope, body);
  return {
    async change(edit, by) {
      const running = await runningSlices(topology, hosts, ask);
      const changed = changeSlices(topology, running, edit, Date.now());
      if (!changed) return undefined;
      return giveSlices(hosts, changed, by(), (host, body) => ask(host, 'PUT /slice', body), AT_ONCE);
    },
    states: () => inTurns(hosts, AT_ONCE, (host) => stateOf(host, () => ask(host, 'GET /state'))),
  };
}

/** The commands that open a way to every host, a line each. */
export async function sessionCommands(asked: string, options: AwsOptions, cwd: string): Promise<readonly string[]> {
  const { topology, stack } = await deployedWithFaults(asked, options, cwd);
  const hosts = await hostsOf(topology, stack);
  const { sessionCommand }: typeof AwsSession = require('../lib/aws/session');
  const first = firstPort(options, hosts.length);
  return hosts.map(({ instance, machine }, index) => {
    return `${sessionCommand({ machine, port: PORTS.control }, first + index, stack)}  # ${instance}`;
  });
}

interface Deployed {
  readonly topology: Topology;
  readonly stack: DeployedStack & { readonly faultKey: string };
}

/**
 * A deployment that faults can be raised in.
 *
 * @throws UserError where it is not deployed, is deployed without live faults, or the file says something else
 */
export async function deployedWithFaults(asked: string, { as, region }: AwsOptions, cwd: string): Promise<Deployed> {
  const place = { ...(as !== undefined && { as }), ...(region !== undefined && { region }) };
  const { topology, stack } = await deployedTopology(asked, place, cwd);
  const { faultKey } = stack;
  if (faultKey === null) {
    const problem = 'live faults are switched off in this deployment';
    throw new UserError({ where: topology.name, problem, remedy: 'deploy it again with -c faults=true' });
  }
  return { topology, stack: { ...stack, faultKey } };
}

export function hostsOf({ name }: Topology, { region }: DeployedStack): Promise<readonly DeployedHost[]> {
  const { findHosts }: typeof DeployedHosts = require('../lib/logs/cloudwatch/deployed-hosts');
  return findHosts(name, { region });
}

/** Of as many local ports as there are hosts. */
export function firstPort({ firstPort: text = String(FIRST_PORT) }: AwsOptions, hosts: number): number {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port + hosts <= 65_536) return port;
  const remedy = `give a whole number from 1 to ${65_536 - hosts}`;
  throw new UserError({ where: '--first-port', problem: `${text} won't do for ${hosts} ports`, remedy });
}

/** From the file named, by option or variable, else from Secrets Manager. */
export async function keyOf({ faultKey, region }: Deployed['stack'], { keyFile }: AwsOptions): Promise<string> {
  const path = keyFile ?? process.env[ENVIRONMENT.key];
  if (path !== undefined) return readKeyFile(path);
  const { readFaultKey }: typeof AwsCommand = require('../lib/aws/aws-command');
  return readFaultKey(faultKey, { region });
}

async function throughSession(
  { machine }: DeployedHost,
  { region }: DeployedStack,
  work: (port: number) => Promise<ControlReply>,
): Promise<ControlReply> {
  const { startSession }: typeof AwsSession = require('../lib/aws/session');
  const session = await startSession({ machine, port: PORTS.control }, { region });
  try {
    return await work(session.port);
  } finally {
    await session.close();
  }
}

/**
 * The slice of each service as its nodes have it; of several the one of the highest epoch, which all of them had when they
 * last took a change.
 */
async function runningSlices({ services }: Topology, hosts: readonly DeployedHost[], ask: Ask): Promise<LiveSlices> {
  const problems = new Map<string, string>();
  const answers = await inTurns(hosts, AT_ONCE, async (host): Promise<readonly Slice[]> => {
    try {
      const { status, body } = await ask(host, 'GET /slice');
      if (status === 200 && body.instance === host.instance) return [body.slice as Slice];
      problems.set(host.service, status === 200 ? `its port leads to ${body.instance}` : `${status}: ${body?.error}`);
    } catch (error) {
      if (error instanceof UserError) throw error;
      problems.set(host.service, (error as Error).message);
    }
    return [];
  });
  const all = answers.flat();
  const faults: Fault[] = [];
  const slices = Object.keys(services).flatMap((name): readonly (readonly [string, Slice])[] => {
    const [first, ...others] = all.filter(({ service }) => service.name === name);
    if (first) return [[name, others.reduce((last, each) => (each.epoch > last.epoch ? each : last), first)]];
    const problem = `none of its instances says what it runs (${problems.get(name) ?? 'there is none'})`;
    faults.push({ where: name, problem, remedy: 'nothing was changed; try again when one is up and reachable' });
    return [];
  });
  if (faults.length > 0) throw new UserError(faults);
  return Object.fromEntries(slices);
}

import type * as AwsSession from '../lib/aws/session';
import type { DeployedHost } from '../lib/logs/cloudwatch/deployed-hosts';
import { PORTS } from '../lib/model/contract';
import { UserError } from '../lib/model/user-error';
import type { AwsOptions } from './aws-options';
import { atEdge, type FaultTarget, shutEdge } from './fault-target';
import { deployedWithFaults, firstPort, hostsOf, keyOf } from './live-deployment-aws';
import { parseUrl } from './load-target';

/**
 * The edge of a deployment on AWS, or, with `start` or `forwarded`, the mesh port of one of its hosts, which takes itineraries
 * and overlays also where the edge is shut.
 *
 * @throws UserError where it is not deployed, is deployed without live faults, or its edge is shut
 */
export async function awsFaultTarget(asked: string, options: AwsOptions, cwd: string): Promise<FaultTarget> {
  const { topology, stack } = await deployedWithFaults(asked, options, cwd);
  const { edgeUrl, publicFaults, region } = stack;
  const { start = false, forwarded = false, url: own } = options;
  if (!start && !forwarded) {
    if (!publicFaults) {
      const otherwise = 'or go past the edge, through a session to a host: --start (token, overlay: --forwarded)';
      throw shutEdge(topology.name, `deploy it again with -c faults=true -c publicFaults=true, ${otherwise}`);
    }
    const url = own === undefined ? new URL(edgeUrl) : parseUrl(own);
    if (!url) throw new UserError({ where: '--url', problem: `${own} is no URL`, remedy: 'give one with https://' });
    return { topology, region, key: await keyOf(stack, options), ...atEdge(topology, url.href.replace(/\/$/, '')) };
  }
  const local = firstPort(options, 1);
  const hosts = await hostsOf(topology, stack);
  const entries = Object.values(topology.services);
  return {
    topology,
    region,
    key: await keyOf(stack, options),
    entries,
    async through({ name }, work) {
      const host = hosts.find(({ service }) => service === name);
      if (!host) {
        throw new UserError({ where: name, problem: 'has no host', remedy: 'wait until the deployment is whole' });
      }
      if (start) return throughSession(host, region, work);
      const { sessionCommand }: typeof AwsSession = require('../lib/aws/session');
      const end = { machine: host.machine, port: PORTS.mesh };
      process.stderr.write(`Beside it: ${sessionCommand(end, local, { region })}  # ${host.instance}\n`);
      return work(`http://127.0.0.1:${local}`);
    },
  };
}

async function throughSession<T>(
  { instance, machine }: DeployedHost,
  region: string,
  work: (url: string) => Promise<T> | T,
): Promise<T> {
  const { startSession }: typeof AwsSession = require('../lib/aws/session');
  const session = await startSession({ machine, port: PORTS.mesh }, { region }).catch((error: Error) => {
    if (error instanceof UserError) throw error;
    const problem = `can't be reached: ${error.message}`;
    throw new UserError({ where: instance, problem, remedy: 'try again when it is up and known to Session Manager' });
  });
  try {
    return await work(`http://127.0.0.1:${session.port}`);
  } finally {
    await session.close();
  }
}

import type { LoadTarget } from '../lib/load/run-load';
import { edgeTargets } from '../lib/load/targets';
import type * as DeployedStack from '../lib/logs/cloudwatch/deployed-stack';
import { loadTopology } from '../lib/model/load-topology';
import { hashValue } from '../lib/model/slice';
import { UserError } from '../lib/model/user-error';
import { parseUrl } from './load-target';

interface Options {
  readonly path?: string;
  readonly region?: string;
  readonly as?: string;
  readonly url?: string;
}

/**
 * A topology's deployment on AWS, as its stack's outputs tell it. The file must still say what was deployed: then the
 * file's value is the deployment's, and the check holds the run against it.
 */
export async function resolveAwsTarget(asked: string, options: Options, cwd: string): Promise<LoadTarget> {
  if (parseUrl(asked) || options.path !== undefined) {
    const problem = 'traffic to a deployment goes to its edge endpoints by their weights';
    const where = options.path === undefined ? asked : '--path';
    throw new UserError({ where, problem, remedy: 'name the topology, and leave the path out' });
  }
  const given = loadTopology(asked, { cwd });
  const topology = options.as === undefined ? given : { ...given, name: options.as };
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const { findStack }: typeof DeployedStack = require('../lib/logs/cloudwatch/deployed-stack');
  const stack = await findStack(topology.name, options.region === undefined ? {} : { region: options.region });
  if (stack.topologyHash !== hashValue(topology)) {
    throw new UserError({
      where: asked,
      problem: `the file says something else than what is deployed as ${topology.name} in ${stack.region}`,
      remedy: `deploy it (npx cdk deploy -c topology=${asked}), or take the file back to what was deployed`,
    });
  }
  const url = options.url === undefined ? new URL(stack.edgeUrl) : parseUrl(options.url);
  if (!url) {
    throw new UserError({ where: '--url', problem: `${options.url} is no URL`, remedy: 'give one with https://' });
  }
  return {
    url,
    targets: edgeTargets(topology, url.pathname),
    topology,
    name: topology.name,
    deployment: null,
    aws: { region: stack.region, logGroup: stack.logGroup },
    sameMachine: false,
  };
}

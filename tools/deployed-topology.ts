import type * as DeployedStackModule from '../lib/logs/cloudwatch/deployed-stack';
import { loadTopology } from '../lib/model/load-topology';
import { hashValue } from '../lib/model/slice';
import type { Topology } from '../lib/model/topology';
import { UserError } from '../lib/model/user-error';

/** A topology's file, and the stack that was deployed of it. */
export interface DeployedTopology {
  readonly topology: Topology;
  readonly stack: DeployedStackModule.DeployedStack;
}

/**
 * A topology's deployment on AWS, as its stack's outputs tell it. The file must still say what was deployed: then the
 * file's value is the deployment's.
 *
 * @param as the name that it was deployed as, where that is another
 * @throws UserError without credentials or such a stack, and where the file says something else
 */
export async function deployedTopology(
  asked: string,
  { as, region }: { readonly as?: string; readonly region?: string },
  cwd: string,
): Promise<DeployedTopology> {
  const given = loadTopology(asked, { cwd });
  const topology = as === undefined ? given : { ...given, name: as };
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const { findStack }: typeof DeployedStackModule = require('../lib/logs/cloudwatch/deployed-stack');
  const stack = await findStack(topology.name, region === undefined ? {} : { region });
  if (stack.topologyHash === hashValue(topology)) return { topology, stack };
  throw new UserError({
    where: asked,
    problem: `the file says something else than what is deployed as ${topology.name} in ${stack.region}`,
    remedy: `deploy it (npx cdk deploy -c topology=${asked}), or take the file back to what was deployed`,
  });
}

import { deploymentFolder, findDeployment } from '../lib/local/deployments';
import type { Deployment } from '../lib/model/deployment';
import { loadTopology } from '../lib/model/load-topology';
import { parseRunId } from '../lib/model/run-id';
import { UserError } from '../lib/model/user-error';

export interface LiveTarget {
  readonly deployment: Deployment;
  readonly folder: string;
}

/**
 * The deployment that is up here under a topology's name or path, a deployment's id or the URL of its edge.
 *
 * @throws UserError where none is
 */
export async function liveTarget(asked: string, cwd: string): Promise<LiveTarget> {
  const deployment = (await findDeployment(asked, cwd)) ?? (await findDeployment(nameOf(asked, cwd), cwd));
  if (deployment) return { deployment, folder: deploymentFolder(cwd, deployment.id) };
  const remedy = `start it in another terminal with: npx ts-node tools/local.ts ${asked}`;
  throw new UserError({ where: asked, problem: 'is not running here', remedy });
}

function nameOf(asked: string, cwd: string): string {
  return parseRunId(asked) || /^https?:/i.test(asked) ? asked : loadTopology(asked, { cwd }).name;
}

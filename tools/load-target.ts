import type { LoadTarget } from '../lib/load/run-load';
import { EXTERNAL, edgeTargets, externalTarget } from '../lib/load/targets';
import { deploymentFolder, findDeployment } from '../lib/local/deployments';
import type { Deployment } from '../lib/model/deployment';
import { loadTopology } from '../lib/model/load-topology';
import { parseRunId } from '../lib/model/run-id';
import { hashValue } from '../lib/model/slice';
import { UserError } from '../lib/model/user-error';

/** Where traffic can go: a live deployment here, by its topology, id or URL, or any other URL. */
export async function resolveLoadTarget(asked: string, path: string | undefined, cwd: string): Promise<LoadTarget> {
  const url = parseUrl(asked);
  const deployment = url ? await findDeployment(asked, cwd) : await deploymentOf(asked, cwd);
  if (deployment) {
    if (path !== undefined || (url && url.pathname !== '/')) {
      const problem = 'traffic to a deployment goes to its edge endpoints by their weights';
      const remedy = 'leave the path out, or change the weights in the topology';
      throw new UserError({ where: path === undefined ? asked : '--path', problem, remedy });
    }
    return deploymentTarget(deployment, cwd);
  }
  if (!url) throw notRunning(asked);
  return {
    url,
    targets: externalTarget(url.pathname + url.search, path),
    topology: null,
    name: EXTERNAL,
    deployment: null,
    sameMachine: LOOPBACK.test(url.hostname),
  };
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

function deploymentTarget(deployment: Deployment, cwd: string): LoadTarget {
  const { id, topology, url } = deployment;
  return {
    url: new URL(url),
    targets: edgeTargets(topology, ''),
    topology,
    name: topology.name,
    deployment: { id, folder: deploymentFolder(cwd, id) },
    sameMachine: true,
  };
}

/** A topology's file must still say what was started; a deployment's id names it whatever the file says. */
async function deploymentOf(asked: string, cwd: string): Promise<Deployment | undefined> {
  if (parseRunId(asked)) return findDeployment(asked, cwd);
  const topology = loadTopology(asked, { cwd });
  const deployment = await findDeployment(topology.name, cwd);
  if (deployment && deployment.topologyHash !== hashValue(topology)) {
    throw new UserError({
      where: asked,
      problem: `the file has changed since the deployment at ${deployment.url} was started`,
      remedy: `restart it (npx ts-node tools/local.ts ${asked}), or give its URL to send traffic to what runs`,
    });
  }
  return deployment;
}

function notRunning(asked: string): UserError {
  if (parseRunId(asked)) {
    const remedy = 'start its topology with npx ts-node tools/local.ts, or give a URL';
    return new UserError({ where: asked, problem: 'no such deployment is up here', remedy });
  }
  const remedy = `start it in another terminal with: npx ts-node tools/local.ts ${asked}`;
  return new UserError({ where: asked, problem: 'is not running here', remedy });
}

export function parseUrl(text: string): URL | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return undefined;
  const remedy = 'give one such as http://127.0.0.1:8080';
  if (!URL.canParse(text)) throw new UserError({ where: text, problem: 'is no URL', remedy });
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new UserError({ where: text, problem: `${url.protocol} is not spoken here`, remedy });
  }
  if (url.username || url.password) {
    throw new UserError({ where: url.host, problem: 'the URL carries a password', remedy: 'leave it out' });
  }
  url.hash = '';
  return url;
}

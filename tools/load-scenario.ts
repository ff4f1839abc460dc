import type { PlanOptions, TrafficPlan } from '../lib/load/phases';
import type { Play } from '../lib/load/play-scenario';
import type { LoadTarget } from '../lib/load/run-load';
import { localMeans, type ScenarioMeans, scenarioStage } from '../lib/local/scenario-stage';
import { loadTopologyFile } from '../lib/model/load-topology';
import { nearest } from '../lib/model/nearest';
import { rehearse } from '../lib/model/rehearse-scenario';
import { parseRunId } from '../lib/model/run-id';
import { loadLengthMs, type Scenario } from '../lib/model/scenario';
import type { Topology } from '../lib/model/topology';
import { UserError } from '../lib/model/user-error';
import type { AwsOptions } from './aws-options';
import { awsDeployment } from './live-deployment-aws';
import { parseUrl } from './load-target';
import { stepText } from './scenario-text';

/**
 * The scenario that `--scenario` names, from the topology's file.
 *
 * @param given what follows the option; true for nothing
 * @throws UserError that lists those there are
 */
export function chooseScenario(topology: string, given: string | true, cwd: string): Scenario {
  const { scenarios } = loadTopologyFile(topology, { cwd });
  if (given !== true && Object.hasOwn(scenarios, given)) return scenarios[given] as Scenario;
  const names = Object.keys(scenarios);
  const near = given === true ? undefined : nearest(given, names);
  const problem = given === true ? 'which one is not said' : `${topology} has no scenario ${given}`;
  const all =
    names.length > 0
      ? `there are ${names.join(', ')}`
      : `${topology} has none: docs/scenarios.md says how to write one`;
  throw new UserError({ where: '--scenario', problem, remedy: near ? `did you mean ${near}? ${all}` : all });
}

/** Whose scenarios go with the target: the topology asked for, or that of the deployment behind a URL or an id. */
export function scenarioTopology(asked: string, { topology }: LoadTarget): string {
  if (!topology) {
    const problem = 'nothing that Microcosm started answers there, so that no step of a scenario could be made';
    throw new UserError({ where: asked, problem, remedy: 'name a topology that runs here (tools/local.ts)' });
  }
  return parseUrl(asked) || parseRunId(asked) ? topology.name : asked;
}

/** The scenario's rates, as far as the command line says nothing of rates and times. */
export function withScenarioLoad(options: PlanOptions, { load }: Scenario): PlanOptions {
  const { rate, duration, requests, phases } = options;
  if (!load || rate !== undefined || duration !== undefined || requests !== undefined || phases !== undefined)
    return options;
  return { arrivals: load.arrivals, ...options, planned: load.phases };
}

/**
 * Makes sure, before any traffic, that the scenario can be played on the target.
 *
 * @throws UserError where it can't
 */
export async function playOn(target: LoadTarget, scenario: Scenario, plan: TrafficPlan, asked: Asked): Promise<Play> {
  const lengthMs = loadLengthMs(plan) - plan.warmupMs;
  const late = scenario.steps.filter(({ atMs }) => atMs >= lengthMs);
  if (late.length > 0) {
    throw new UserError(
      late.map(({ name, atMs }) => ({
        where: `--scenario ${scenario.name}`,
        problem: `${name} comes at ${atMs / 1000}s, and the traffic ends at ${lengthMs / 1000}s`,
        remedy: 'give a longer --duration, or leave rates and times to the scenario',
      })),
    );
  }
  return { scenario, stage: scenarioStage(await meansFor(target, scenario, asked), stepText), lengthMs };
}

/** What the command line says of the target. */
interface Asked extends AwsOptions {
  readonly asked: string;
  readonly cwd: string;
}

async function meansFor(target: LoadTarget, scenario: Scenario, asked: Asked): Promise<ScenarioMeans> {
  const { aws, deployment, topology, name } = target;
  if (!topology) throw new UserError({ where: name, problem: 'is no deployment', remedy: 'name one' });
  const faults = rehearse(scenario, topology);
  if (faults.length > 0) throw new UserError(faults);
  if (deployment) return localMeans(asked.cwd, deployment.folder, scenario);
  if (aws) return awsMeans(topology, scenario, asked);
  throw new UserError({ where: name, problem: 'is no deployment', remedy: 'name one' });
}

/** Hosts on AWS take faults where that is switched on; what else a scenario changes takes a deployment. */
async function awsMeans(
  topology: Topology,
  scenario: Scenario,
  { asked, cwd, ...options }: Asked,
): Promise<ScenarioMeans> {
  const changes = scenario.steps.filter(({ kind }) => kind !== 'fault');
  if (changes.length > 0) {
    const deploy = `npx cdk deploy -c topology=${asked}`;
    throw new UserError(
      changes.map(({ name }) => ({
        where: `--scenario ${scenario.name}`,
        problem: `${name} changes the topology, and what runs on AWS changes by deploying it`,
        remedy: `write the change into the topology, then: ${deploy}`,
      })),
    );
  }
  const live = scenario.steps.length > 0 ? await awsDeployment(asked, { ...options, start: true }, cwd) : undefined;
  return {
    before: topology,
    async change(edit, did) {
      const report = await live?.change(edit, () => `scenario ${scenario.name}: ${did}`);
      return { did, epoch: report?.epoch ?? null, instances: report?.instances ?? [] };
    },
    scale: () => Promise.reject(new Error('instances on AWS come by a deployment')),
  };
}

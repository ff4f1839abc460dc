import type { Deployment } from '../model/deployment';
import type { TopologyEdit } from '../model/edit-topology';
import type { InstanceOutcome } from '../model/manifest';
import { replicasOf } from '../model/rehearse-scenario';
import type { Scenario, ScenarioStep } from '../model/scenario';
import { changesSteps, redoneFrom, stepEdit, withoutScenarioFaults } from '../model/scenario-edits';
import type { ScenarioStage, StepReport } from '../model/scenario-stage';
import { strikesOnce } from '../model/scenario-timeline';
import type { Topology } from '../model/topology';
import { UserError } from '../model/user-error';
import { askControl, readKey } from './control-client';
import { readDeployment } from './deployments';
import type { ReplicasReply } from './launcher-control';
import { ChangeUnderWayError, changeDeployment, currentTopology } from './live-change';

/** A fault without an end of its own ends so long after the traffic, should nobody be left to end it. */
const SLACK_MS = 60_000;
/** A crash that strikes once is taken back at once; were that to fail, it would end so. */
const ONCE_MS = 10_000;
/** Starting a node may take a minute on a loaded machine. */
const SCALE_TIMEOUT_MS = 90_000;
const LOCK_TRIES = 50;
const LOCK_PAUSE_MS = 100;

/** How what runs can be changed. */
export interface ScenarioMeans {
  /** What ran before the scenario. */
  readonly before: Topology;
  /** @param keep what no instance takes stays for those that start again */
  change(edit: TopologyEdit, did: string, keep: boolean): Promise<StepReport>;
  scale(service: string, replicas: number): Promise<StepReport>;
}

/** @param describe a step in words, for the log */
export function scenarioStage(
  { before, change, scale }: ScenarioMeans,
  describe: (step: ScenarioStep) => string,
): ScenarioStage {
  /** What was done and may still have to be taken back. */
  const touched = { slices: false, steps: false, scaled: new Set<string>() };
  return {
    async begin(step, _standing, leftMs) {
      const did = describe(step);
      if (step.kind === 'scale') {
        touched.scaled.add(step.service);
        return named(step, await scale(step.service, step.replicas));
      }
      touched.slices = true;
      touched.steps ||= changesSteps(step);
      if (step.kind !== 'fault') return change(stepEdit(step), did, false);
      const lifeMs = strikesOnce(step) ? ONCE_MS : (step.forMs ?? Math.max(0, leftMs) + SLACK_MS);
      const report = await change(stepEdit(step, new Date(Date.now() + lifeMs).toISOString()), did, false);
      if (!strikesOnce(step)) return report;
      await change(withoutScenarioFaults(step), `${step.name} has struck`, true);
      return { ...report, instances: report.instances.map(mayBeGone) };
    },
    async end(step, standing) {
      const did = `end of ${describe(step)}`;
      if (step.kind === 'scale') {
        return named(step, await scale(step.service, replicasOf(step.service, standing, before)));
      }
      if (changesSteps(step)) return change(redoneFrom(before, standing), did, true);
      return change(withoutScenarioFaults(step), did, true);
    },
    async clear() {
      const reports: StepReport[] = [];
      if (touched.slices) {
        const back: TopologyEdit = (topology) => {
          const faultless = withoutScenarioFaults()(topology);
          return touched.steps ? redoneFrom(before, [])(faultless) : faultless;
        };
        reports.push(await change(back, 'everything as before', true));
      }
      for (const service of touched.scaled) reports.push(await scale(service, replicasOf(service, [], before)));
      const made = reports.filter(({ epoch, instances }) => epoch !== null || instances.length > 0);
      if (made.length === 0) return undefined;
      return {
        did: made.map(({ did }) => did).join('; '),
        epoch: made[0]?.epoch ?? null,
        instances: made.flatMap(({ instances }) => instances),
      };
    },
  };
}

/**
 * A deployment of this machine as what a scenario is played on.
 *
 * @throws UserError where what the scenario asks for can't be done there
 */
export function localMeans(cwd: string, folder: string, scenario: Scenario): ScenarioMeans {
  const deployment = deploymentIn(folder);
  const key = readKey(folder);
  const { controlPort } = deployment;
  if (controlPort === null && scenario.steps.some(({ kind }) => kind === 'scale')) {
    const problem = `${scenario.name} changes the number of instances, and all of them run in one process`;
    throw new UserError({ where: deployment.topology.name, problem, remedy: 'start it without --inline' });
  }
  return {
    before: currentTopology(folder, deployment),
    async change(edit, did, keep) {
      for (let tries = 1; ; tries++) {
        try {
          const report = await changeDeployment(cwd, folder, edit, () => `scenario ${scenario.name}: ${did}`, { keep });
          return { did, epoch: report?.epoch ?? null, instances: report?.instances ?? [] };
        } catch (error) {
          if (!(error instanceof ChangeUnderWayError) || tries === LOCK_TRIES) throw error;
          await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS));
        }
      }
    },
    async scale(service, replicas) {
      const scope = { key, topology: deployment.topology.name };
      const asked = { service, replicas };
      const { status, body } = await askControl(controlPort, 'PUT /replicas', scope, asked, SCALE_TIMEOUT_MS);
      if (status !== 200) throw new Error(`the launcher answered ${status}: ${body?.error}`);
      const { started, left } = body as ReplicasReply;
      const leaving = left.map((instance): InstanceOutcome => ({ instance, taken: true }));
      return { did: scaleText(service, replicas, { started, left }), epoch: null, instances: [...started, ...leaving] };
    },
  };
}

function deploymentIn(folder: string): Deployment {
  const deployment = readDeployment(folder);
  if (deployment) return deployment;
  throw new UserError({ where: folder, problem: 'holds no deployment', remedy: 'start it again' });
}

function named({ name }: ScenarioStep, report: StepReport): StepReport {
  return { ...report, did: `${name}: ${report.did}` };
}

function scaleText(service: string, replicas: number, { started, left }: ReplicasReply): string {
  const parts = [
    ...(started.length > 0 ? [`${started.map(({ instance }) => instance).join(', ')} came`] : []),
    ...(left.length > 0 ? [`${left.join(', ')} ${left.length === 1 ? 'leaves' : 'leave'}`] : []),
  ];
  return `${service} to ${replicas} instance${replicas === 1 ? '' : 's'}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`;
}

/** An instance that crashed before it could answer has taken the fault. */
function mayBeGone(outcome: InstanceOutcome): InstanceOutcome {
  return outcome.taken || !outcome.problem?.includes("can't be reached") ? outcome : { ...outcome, taken: true };
}

import { askControl, type ControlReply, readKey } from '../lib/local/control-client';
import { type ChangeReport, inTurns } from '../lib/local/give-slices';
import { changeDeployment } from '../lib/local/live-change';
import type { TopologyEdit } from '../lib/model/edit-topology';
import { UserError } from '../lib/model/user-error';
import type { InstanceState } from './fault-text';
import { liveTarget } from './live-target';

/** A topology that runs, wherever it does, as live faults see it. */
export interface LiveDeployment {
  /**
   * @param by says in words what was changed, once the edit is made
   * @returns undefined where the edit changes nothing
   */
  change(edit: TopologyEdit, by: () => string): Promise<ChangeReport | undefined>;
  states(): Promise<readonly InstanceState[]>;
}

/** Nodes asked at one time. */
const AT_ONCE = 32;

/** One that runs on this machine. */
export async function localDeployment(asked: string, cwd: string): Promise<LiveDeployment> {
  const { deployment, folder } = await liveTarget(asked, cwd);
  return {
    change: (edit, by) => changeDeployment(cwd, folder, edit, by),
    states() {
      const scope = { key: readKey(folder), topology: deployment.topology.name };
      return inTurns(deployment.instances, AT_ONCE, (instance) =>
        stateOf(instance, () => askControl(instance.controlPort, 'GET /state', scope)),
      );
    },
  };
}

/** What an instance says of itself, or why it says nothing. */
export async function stateOf(
  { instance, service }: { readonly instance: string; readonly service: string },
  ask: () => Promise<ControlReply>,
): Promise<InstanceState> {
  try {
    const { status, body } = await ask();
    if (status !== 200) return { instance, service, problem: `answered ${status}: ${body?.error}` };
    if (body.instance === instance) return { instance, service, state: body };
    return { instance, service, problem: `its port leads to ${body.instance}` };
  } catch (error) {
    if (error instanceof UserError) throw error;
    return { instance, service, problem: `can't be reached: ${(error as Error).message}` };
  }
}

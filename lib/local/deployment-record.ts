import type { DeployedInstance, Deployment } from '../model/deployment';
import type { Instance } from './instances';
import { type StateFolder, writable } from './state-folder';

/** The record of a deployment, kept true while it runs. */
export interface DeploymentRecord {
  /** As it stands now. */
  readonly now: Deployment;
  /**
   * Writes it for the first time: whoever reads it may count on the deployment.
   *
   * @param controlPort of the launcher's control interface
   * @throws UserError where it can't be written
   */
  begin(controlPort: number | null): void;
  /** Writes it again after a change; what keeps it from that is a notice. */
  update(): void;
  end(): void;
}

export type FixedRecord = Omit<Deployment, 'instances' | 'stopTime' | 'controlPort'>;

/** @param roster the instances that run, or are to run */
export function deploymentRecord(
  fixed: FixedRecord,
  folder: StateFolder,
  roster: { readonly instances: readonly Instance[] },
  onNotice: (line: string) => void,
): DeploymentRecord {
  let begun = false;
  let controlPort: number | null = null;
  let stopTime: string | null = null;

  const record: DeploymentRecord = {
    get now() {
      const instances = roster.instances.map((instance): DeployedInstance => ({ ...instance }));
      return { ...fixed, controlPort, stopTime, instances };
    },
    begin(port) {
      begun = true;
      controlPort = port;
      writable(folder.path, () => folder.write(record.now));
    },
    update() {
      if (!begun) return;
      try {
        folder.write(record.now);
      } catch (error) {
        onNotice(`${folder.path}: the record can't be written: ${(error as Error).message}`);
      }
    },
    end() {
      stopTime ??= new Date().toISOString();
      record.update();
    },
  };
  return record;
}

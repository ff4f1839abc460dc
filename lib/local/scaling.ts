import type { Topology } from '../model/topology';
import type { Balancer } from './balancer';
import { readKey } from './control-client';
import type { DnsServer } from './dns-server';
import { enlist, type Instance, newInstance, type Unit } from './instances';
import { startLauncherControl } from './launcher-control';
import { checkMachine } from './preflight';
import { catchUp, replicas } from './replicas';
import type { StateFolder } from './state-folder';

/** What a launch shares with what changes its numbers of instances. */
export interface ScalingOptions {
  readonly topology: Topology;
  readonly folder: StateFolder;
  readonly dns: DnsServer;
  readonly balancer: Balancer;
  /** Those that run, or are to run; replaced as they come and go. */
  readonly roster: { instances: readonly Instance[] };
  /** Their processes, and those of instances that leave. */
  readonly units: Unit[];
  readonly startUnit: (group: readonly Instance[]) => Promise<void>;
  /** Writes the deployment's record. */
  readonly onChanged: () => void;
  readonly onNotice: (line: string) => void;
}

export interface Scaling {
  /** Of the launcher's control interface. */
  readonly port: number;
  close(): void;
}

/** Opens the launcher's control interface, which changes how many instances of a service run: one process each. */
export async function startScaling(options: ScalingOptions): Promise<Scaling> {
  const { topology, folder, dns, balancer, roster, units, startUnit, onChanged, onNotice } = options;
  const scope = { key: readKey(folder.path), topology: topology.name };
  const unitOf = (name: string): Unit | undefined => units.find(({ group }) => group[0]?.instance === name);
  const drop = (unit: Unit | undefined): void => {
    if (unit) units.splice(units.indexOf(unit), 1);
  };

  const scaling = replicas({
    services: Object.keys(topology.services),
    running: (service) => roster.instances.filter((each) => each.service === service).map(({ instance }) => instance),
    async start(service, instance) {
      const added = newInstance(service, instance);
      try {
        await startUnit([added]);
      } catch (error) {
        drop(unitOf(instance));
        throw error;
      }
      roster.instances = [...roster.instances, added];
    },
    withdraw(instance) {
      roster.instances = roster.instances.filter((each) => each.instance !== instance);
      dns.deregister(instance);
      return balancer.deregister(instance);
    },
    restore(instance) {
      const [known] = unitOf(instance)?.group ?? [];
      if (!known) return;
      roster.instances = [...roster.instances, known];
      enlist(known, dns, balancer);
    },
    async stop(instance) {
      const unit = unitOf(instance);
      await unit?.supervised.stop();
      drop(unit);
    },
    async catchUp(instance) {
      const [known] = unitOf(instance)?.group ?? [];
      if (known) await catchUp(known, folder.slice(known.service), scope);
    },
    checkRoom: (more) => checkMachine(more, false),
    onChanged,
  });
  const control = await startLauncherControl({
    ...scope,
    setReplicas: scaling.set,
    onRefused: (reason) => onNotice(`another number of instances was refused: ${reason}`),
  });
  return {
    port: control.port,
    close() {
      scaling.close();
      control.close();
    },
  };
}

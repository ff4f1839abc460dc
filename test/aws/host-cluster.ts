import assert from 'node:assert/strict';
import { HOST } from '../../lib/aws/host';
import type { Event } from '../../lib/model/event';
import type { Topology } from '../../lib/model/topology';
import type { BootedHost } from './booted-host';
import type { Finished } from './command';
import type { Signal } from './host-world';

/** The hosts of one topology, booted, and ways to ask them. */
export interface Cluster {
  readonly topology: Topology;
  readonly key: string;
  /** Asks the control interface of a host from within its network namespace, or from beside it. */
  readonly ask: (instance: string, question: Question, from?: string) => Promise<Finished>;
  readonly hosts: ReadonlyMap<string, BootedHost>;
  readonly signals: readonly Signal[];
  /** Of `GET /` at the edge of web where nothing else is said. */
  readonly request: (asked?: Asked) => Promise<{ readonly status: number; readonly body: string }>;
  /** Says where the calls of the topology are, as a deployment does: all of them, or as it was before web had any. */
  readonly deployGraph: (which: 'whole' | 'older') => Promise<void>;
}

export interface Asked {
  readonly instance: string;
  readonly port: number;
  readonly path?: string;
  /** Whose network it comes from: the balancer's, which has the hosts around it, or that of the instance itself. */
  readonly from: 'balancer' | 'itself';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Question {
  readonly purpose: string;
  readonly body?: unknown;
  readonly key?: string;
}

export async function onHost(hosts: Cluster['hosts'], instance: string, script: string) {
  const host = hosts.get(instance);
  assert.ok(host);
  return host.run(script);
}

/** Of the lines that are there whole: the node writes on. */
export async function eventsOf(hosts: Cluster['hosts'], instance: string): Promise<readonly Event[]> {
  const { stdout } = await onHost(hosts, instance, `cat ${HOST.log}`);
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Event);
}

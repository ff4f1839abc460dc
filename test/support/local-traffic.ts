import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Conformance, runCheck } from '../../lib/flows/conformance/check-run';
import { parseEvent } from '../../lib/flows/conformance/parse-event';
import { readLines } from '../../lib/flows/events/line-reader';
import { readRun } from '../../lib/flows/read-run';
import { type RunReport, reportRun } from '../../lib/flows/run-report';
import { trafficPlan } from '../../lib/load/phases';
import { type LoadRun, runLoad } from '../../lib/load/run-load';
import { edgeTargets } from '../../lib/load/targets';
import { type LaunchOptions, type LocalRun, launch } from '../../lib/local/launch';
import { openLocalRun } from '../../lib/logs/local-source';
import type { Event } from '../../lib/model/event';
import { resolve } from '../../lib/model/resolve';
import type { TopologySpec } from '../../lib/model/spec';

/** A topology as real processes here, with open-loop traffic and what its logs tell afterwards. */
export interface LocalTraffic {
  readonly run: LocalRun;
  pidOf(instance: string): number;
  /** @param rate requests per second */
  load(rate: number, durationMs: number): Promise<LoadRun>;
  /** Stops everything, and reads what was logged of a run of traffic. */
  told(run: string): Promise<Told>;
}

export interface Told {
  readonly check: Conformance;
  readonly report: RunReport;
  /** Of the run and of its processes. */
  readonly events: readonly Event[];
}

export async function startLocal(
  t: ExecutionContext,
  spec: TopologySpec,
  options: LaunchOptions = {},
): Promise<LocalTraffic> {
  const cwd = mkdtempSync(join(tmpdir(), 'microcosm-survive-'));
  const topology = resolve(spec, spec.name ?? 'survive');
  const run = await launch(topology, { cwd, ...options });
  t.teardown(async () => {
    await run.kill();
    rmSync(cwd, { recursive: true, force: true });
  });
  return {
    run,
    pidOf: (instance) => run.deployment.instances.find((each) => each.instance === instance)?.pid ?? -1,
    load: (rate, durationMs) =>
      runLoad({
        target: {
          url: new URL(run.url),
          targets: edgeTargets(topology, ''),
          topology,
          name: topology.name,
          deployment: { id: run.deployment.id, folder: run.folder },
          sameMachine: true,
        },
        plan: trafficPlan({ rate: String(rate), duration: `${durationMs}ms` }),
        seed: 'survive',
        timeoutMs: 20_000,
        cwd,
      }),
    async told(id) {
      await run.stop();
      const source = await openLocalRun(id, cwd);
      const { start, end } = source.manifest;
      const check = runCheck({ run: id, topology, end, clientProcess: start?.process });
      const events: Event[] = [];
      for await (const { chunks } of source.streams()) {
        const take = (text: string) => {
          for (const event of text.split('\n').map(parseEvent)) {
            if (!event) continue;
            events.push(event);
            check.add(event);
          }
        };
        const { rest } = await readLines(chunks(), (bytes, from, to) => take(bytes.toString('utf8', from, to)));
        take(rest);
      }
      const { report } = reportRun(await readRun(await openLocalRun(id, cwd)));
      return { check: check.finish(), report, events };
    },
  };
}

import { setTimeout as pause } from 'node:timers/promises';
import { type LiveFlow, liveFlows } from '../lib/flows/live/live-flows';
import { type LiveSummary, liveSummary } from '../lib/flows/live/live-summary';
import type { StreamIntake } from '../lib/flows/read-events';
import { flowJson } from '../lib/flows/run-json';
import { liveFlowLine, liveSummaryText } from '../lib/flows/text/live-text';
import { paint } from '../lib/flows/text/style';
import type { RunManifest } from '../lib/logs/log-source';
import { tailLocal } from '../lib/logs/tail-local';
import { CLIENT_SERVICE } from '../lib/model/contract';
import { UserError } from '../lib/model/user-error';
import { type FilterOptions, flowFilter } from './flow-filter';
import { type Followed, findFollowed } from './followed-run';
import type { Notices } from './notices';
import { standardOutput } from './output';
import { parseWait } from './settled-run';
import { harmless, terminalStyle } from './terminal';
import { watchStop } from './watch-stop';

export interface FollowOptions extends FilterOptions {
  readonly json: boolean;
  readonly wait?: string;
  /** Of `adhoc`. */
  readonly topology: string;
  readonly since?: string;
  readonly sinceMs: number;
}

/** Why it ended: as the manifest says, because nothing came any more, or because the user has seen enough. */
type Ending = 'finished' | 'stopped' | 'unfinished' | 'interrupted';

const POLL_MS = 250;
const SUMMARY_EVERY_MS = 10_000;
const LEAST_WAIT_MS = 10_000;
/** A percentile of fewer flows says nothing of a single one. */
const LEAST_FOR_SLOW = 100;

/**
 * Shows a run's flows as they are completed, until its manifest says that it is over and all are here or given up.
 *
 * @throws UserError for a run that is not on this machine
 */
export async function followRun(id: string, options: FollowOptions, notices: Notices): Promise<void> {
  const stop = watchStop();
  const sinceMs = Date.now() - (options.since === undefined ? 0 : options.sinceMs);
  const followed = await findFollowed(id, { topology: options.topology, sinceMs }, notices, stop.signal);
  if (!followed) return;
  const first = await followed.manifest();
  requireService(first, options);
  const waitMs = parseWait(options.wait) ?? defaultWaitMs(first);
  const clock = (): number => performance.now();
  const flows = liveFlows({ run: followed.run, waitMs, sinceMs: followed.sinceMs, clock });
  const totals = liveSummary();
  const printer = flowPrinter(options, notices);
  const intakes = new Map<string, StreamIntake>();
  const tail = tailLocal(followed.places, followed.sinceMs ?? 0);
  const news = { records: 0, atMs: clock() };

  const isOver = ({ start, end }: RunManifest): boolean => {
    const quietMs = clock() - news.atMs;
    if (end) return flows.waiting === 0 && (totals.clientFlows >= end.sent || quietMs > waitMs);
    return followed.endsByItself && quietMs > waitMs && Date.now() > plannedEndMs(start) + waitMs;
  };

  notices.tell(`following ${followed.run}; a flow of which nothing came for ${waitMs / 1000} s is given up`);
  let manifest = first;
  let hadEnd = false;
  for (;;) {
    manifest = await followed.manifest();
    const more = tail.poll((file, chunk) => {
      let intake = intakes.get(file.id);
      if (!intake) {
        intake = flows.open(file.name);
        intakes.set(file.id, intake);
      }
      intake.take(chunk);
    });
    const found = flows.sweep(manifest, !more);
    if (flows.records > news.records || (manifest.end !== null && !hadEnd)) news.atMs = clock();
    news.records = flows.records;
    hadEnd = manifest.end !== null;
    await printer.print(found, totals.summary(flows));
    for (const flow of found) totals.add(flow);
    if (stop.signal.aborted || (!more && isOver(manifest))) break;
    await pause(more ? 0 : POLL_MS, undefined, { signal: stop.signal }).catch(() => {});
  }
  const { end } = manifest;
  const ending = end ? (end.finished ? 'finished' : 'stopped') : stop.signal.aborted ? 'interrupted' : 'unfinished';
  await printer.end(followed, ending, totals.summary(flows), end?.sent ?? null);
}

function flowPrinter(options: FollowOptions, notices: Notices) {
  const style = terminalStyle(standardOutput);
  const isTerminal = process.stdout.isTTY === true;
  const wanted = flowFilter(options);
  let summaryAt = performance.now();
  const write = (line: string): Promise<void> =>
    standardOutput.write(`${isTerminal && options.json ? harmless(line) : line}\n`);

  return {
    async print(found: readonly LiveFlow[], before: LiveSummary): Promise<void> {
      const slowMs = before.flows < LEAST_FOR_SLOW ? Number.POSITIVE_INFINITY : (before.p99Ms ?? 0);
      for (const live of found) {
        const { failed, givenUp } = live;
        const flow = live.describe();
        if (!wanted(flow)) continue;
        notices.done();
        const slow = live.durationMs > slowMs;
        if (options.json) await write(JSON.stringify({ record: 'flow', givenUp, ...(flowJson(flow) as object) }));
        else await write(liveFlowLine(flow, { failed, givenUp, slow }, style));
      }
      const text = liveSummaryText(before);
      notices.progress(text);
      if (options.json || process.stderr.isTTY || performance.now() - summaryAt < SUMMARY_EVERY_MS) return;
      summaryAt = performance.now();
      await write(`-- ${text}`);
    },
    async end({ run }: Followed, ending: Ending, summary: LiveSummary, sent: number | null): Promise<void> {
      notices.done();
      if (options.json) await write(JSON.stringify({ record: 'summary', run, ending, sent, ...summary }));
      else await write(`${paint(style, 'bold', run)}  ${ending}: ${liveSummaryText(summary)}`);
    },
  };
}

function requireService({ start }: RunManifest, { service }: FollowOptions): void {
  const services = start?.topology?.services;
  if (service === undefined || service === CLIENT_SERVICE || !services || Object.hasOwn(services, service)) return;
  throw new UserError({
    where: '--service',
    problem: `${start.topology?.name} has no service ${service}`,
    remedy: `its services: ${Object.keys(services).join(', ')}`,
  });
}

/** No request and no queued work is silent for longer than its deadline. */
function defaultWaitMs({ start }: RunManifest): number {
  const endpoints = Object.values(start?.topology?.services ?? {}).flatMap((service) =>
    Object.values(service.endpoints),
  );
  return Math.max(LEAST_WAIT_MS, ...endpoints.map(({ deadlineMs }) => deadlineMs + LEAST_WAIT_MS / 2));
}

function plannedEndMs(start: RunManifest['start']): number {
  if (!start) return 0;
  return start.plan.phases.reduce((sum, { durationMs }) => sum + durationMs, Date.parse(start.timestamp));
}

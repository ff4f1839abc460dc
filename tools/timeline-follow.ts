import { setTimeout as pause } from 'node:timers/promises';
import type { StreamIntake } from '../lib/flows/events/read-events';
import { type LiveFlow, type LiveFlows, liveFlows } from '../lib/flows/live/live-flows';
import { type LiveSummary, liveSummary } from '../lib/flows/live/live-summary';
import { flowJson } from '../lib/flows/run-json';
import { liveFlowLine, liveSummaryText } from '../lib/flows/text/live-text';
import { paint } from '../lib/flows/text/style';
import type { RunManifest } from '../lib/logs/log-source';
import { type LogTail, type TailedFile, type TailReader, tailLocal } from '../lib/logs/tail-local';
import { CLIENT_SERVICE } from '../lib/model/contract';
import { UserError } from '../lib/model/user-error';
import type { FilterOptions } from './flow-filter';
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

/** Less would not be noticed, and make it look at the same flow more often before it is complete. */
const POLL_MS = 100;
/** Where nothing came for so long, it looks less often. */
const QUIET_MS = 5_000;
const QUIET_POLL_MS = 500;
const WRITE_CHARS = 64 * 1024;
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
  const asked = parseWait(options.wait);
  const stop = watchStop();
  void stop.forced.then(() => process.exit(0));
  const sinceMs = Date.now() - (options.since === undefined ? 0 : options.sinceMs);
  const followed = await findFollowed(id, { topology: options.topology, sinceMs }, notices, stop.signal);
  if (!followed) return;
  const first = await followed.manifest();
  requireService(first, options);
  const waitMs = asked ?? defaultWaitMs(first);
  notices.tell(`following ${followed.run}; a flow of which nothing came for ${waitMs / 1000} s is given up`);
  const tail = tailLocal(followed.places, followed.sinceMs ?? 0);
  try {
    await follow(followed, tail, waitMs, flowPrinter(options, notices), stop.signal);
  } finally {
    tail.close();
  }
}

async function follow(
  followed: Followed,
  tail: LogTail,
  waitMs: number,
  printer: FlowPrinter,
  stop: AbortSignal,
): Promise<void> {
  const clock = (): number => performance.now();
  const flows = liveFlows({ run: followed.run, waitMs, sinceMs: followed.sinceMs, clock });
  const totals = liveSummary();
  const reader = intoIntakes(flows);
  const news = { records: 0, atMs: clock() };
  let manifest = await followed.manifest();
  let hadEnd = false;

  const isOver = async ({ start, end }: RunManifest): Promise<boolean> => {
    const quietMs = clock() - news.atMs;
    if (end) return flows.waiting === 0 && (totals.clientFlows >= end.sent || quietMs > waitMs);
    if (!followed.endsByItself || quietMs <= waitMs) return false;
    return Date.now() > plannedEndMs(start) + waitMs || !(await followed.isDriven());
  };

  for (;;) {
    manifest = await followed.manifest();
    const more = tail.poll(reader);
    for (const found of flows.sweep(manifest, !more)) {
      await printer.print(found, totals.summary(flows));
      for (const flow of found) totals.add(flow);
      if (stop.aborted) break;
    }
    await printer.progress(totals.summary(flows));
    if (flows.records > news.records || (manifest.end !== null && !hadEnd)) news.atMs = clock();
    news.records = flows.records;
    hadEnd = manifest.end !== null;
    if (stop.aborted || (!more && (await isOver(manifest)))) break;
    const pollMs = clock() - news.atMs > QUIET_MS ? QUIET_POLL_MS : POLL_MS;
    await pause(more ? 0 : pollMs, undefined, { signal: stop }).catch(() => {});
  }
  const { end } = manifest;
  const ending = end ? (end.finished ? 'finished' : 'stopped') : stop.aborted ? 'interrupted' : 'unfinished';
  await printer.end(followed, ending, totals.summary(flows), end?.sent ?? null);
}

function intoIntakes(flows: LiveFlows): TailReader {
  const intakes = new Map<TailedFile, StreamIntake>();
  return {
    take(file, piece) {
      let intake = intakes.get(file);
      if (!intake) {
        intake = flows.open(file.name);
        intakes.set(file, intake);
      }
      intake.take(piece);
    },
    gone(file) {
      intakes.get(file)?.end();
      intakes.delete(file);
    },
  };
}

interface FlowPrinter {
  print(found: readonly LiveFlow[], before: LiveSummary): Promise<void>;
  /** Tells of the run so far where it is time to. */
  progress(summary: LiveSummary): Promise<void>;
  end(followed: Followed, ending: Ending, summary: LiveSummary, sent: number | null): Promise<void>;
}

function flowPrinter(options: FollowOptions, notices: Notices): FlowPrinter {
  const style = terminalStyle(standardOutput);
  const isTerminal = process.stdout.isTTY === true;
  let summaryAt = performance.now();
  const wanted = ({ status, takesPart }: LiveFlow): boolean =>
    (!options.errors || status === null || status >= 500) &&
    (options.service === undefined || takesPart(options.service));
  const lineOf = (flow: LiveFlow, slow: boolean): string => {
    if (!options.json) return liveFlowLine(flow, slow, style);
    const { givenUp } = flow;
    const line = JSON.stringify({ record: 'flow', givenUp, ...(flowJson(flow.describe()) as object) });
    return isTerminal ? harmless(line) : line;
  };

  return {
    async print(found, before) {
      const slowMs = before.flows < LEAST_FOR_SLOW ? Number.POSITIVE_INFINITY : (before.p99Ms ?? 0);
      const shown = found.filter(wanted);
      if (shown.length > 0) notices.done();
      // Each write costs as much as finding the flow did.
      let text = '';
      for (const flow of shown) {
        text += `${lineOf(flow, flow.durationMs > slowMs)}\n`;
        if (text.length < WRITE_CHARS) continue;
        await standardOutput.write(text);
        text = '';
      }
      if (text !== '') await standardOutput.write(text);
    },
    async progress(summary) {
      notices.progress(liveSummaryText(summary));
      if (options.json || process.stderr.isTTY || performance.now() - summaryAt < SUMMARY_EVERY_MS) return;
      summaryAt = performance.now();
      await standardOutput.write(`-- ${liveSummaryText(summary)}\n`);
    },
    async end({ run }, ending, summary, sent) {
      notices.done();
      const line = options.json
        ? JSON.stringify({ record: 'summary', run, ending, sent, ...summary })
        : `${paint(style, 'bold', run)}  ${ending}: ${liveSummaryText(summary)}`;
      await standardOutput.write(`${line}\n`);
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

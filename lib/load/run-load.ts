import { BAGGAGE, CLOCK_PERIOD_MS, HEADERS } from '../model/contract';
import type { AwsPlace, ManifestEnd } from '../model/manifest';
import { readClocks } from '../model/reading';
import { newRunId } from '../model/run-id';
import { hashValue } from '../model/slice';
import type { Topology } from '../model/topology';
import { formatTraceparent, newRequestId, newTraceId } from '../model/trace-context';
import { resolveAddresses } from './addresses';
import { arrivals } from './arrivals';
import { type ClientSpan, clientEvents } from './client-events';
import { openClientLog } from './client-log';
import { drive } from './driver';
import { httpClient } from './http-client';
import { type Counts, type Figures, measures } from './measures';
import type { TrafficPlan } from './phases';
import { jsonBody, type PlannedRequest, requestPlanner } from './planned-request';
import { type Play, playScenario, type ScenarioPlayed } from './play-scenario';
import { createRunFolder } from './run-folder';
import type { Target } from './targets';

/** Where traffic goes, and what is known of it. */
export interface LoadTarget {
  /** Base URL; its path, if any, is part of the targets' paths already. */
  readonly url: URL;
  readonly targets: readonly Target[];
  /** What runs there, as its launcher recorded it; null for a plain URL. */
  readonly topology: Topology | null;
  /** First part of the run id. */
  readonly name: string;
  readonly deployment: { readonly id: string; readonly folder: string } | null;
  /** Where the target's nodes log, for a deployment on AWS. */
  readonly aws?: AwsPlace;
  /** Whether the target shares this machine's clock. */
  readonly sameMachine: boolean;
}

export interface LoadOptions {
  readonly target: LoadTarget;
  readonly plan: TrafficPlan;
  readonly seed: string;
  readonly timeoutMs: number;
  readonly maxInFlight?: number;
  readonly spin?: boolean;
  /** A member of baggage that every request carries: `microcosm-overlay=...`. */
  readonly overlay?: string;
  /** What is done to the target meanwhile. */
  readonly play?: Play;
  /** The directory that holds `.microcosm`. */
  readonly cwd: string;
}

export interface LoadRun {
  readonly run: string;
  /** Path of the run's folder. */
  readonly folder: string;
  /** Resolves after the end record is written. */
  readonly done: Promise<LoadResult>;
  progress(): LoadProgress;
  /** Sends no more, waits a little for answers, and ends the run: not finished. */
  stop(): void;
  /** Writes the events that wait, for a process that leaves at once. The run stays without its end record. */
  flushSync(): void;
}

export interface LoadProgress {
  readonly elapsedMs: number;
  readonly inFlight: number;
  readonly warmingUp: boolean;
  /** Of the warm-up while it lasts, then of what follows it. */
  readonly counts: Counts;
}

export interface LoadResult {
  readonly run: string;
  readonly seed: string;
  readonly url: string;
  readonly topology: string | null;
  readonly plan: TrafficPlan;
  readonly finished: boolean;
  /** Everything that was sent, as the manifest has it. */
  readonly total: Pick<ManifestEnd, 'sent' | 'answered' | 'failed' | 'errors'> & { readonly notSent: number };
  /** Without the warm-up. */
  readonly figures: Figures;
  /** What became of the scenario's steps; null where there was none. */
  readonly scenario: ScenarioPlayed | null;
  readonly folder: string;
}

interface Exchange {
  readonly span: ClientSpan;
  readonly plannedAt: number;
  readonly sentAt: number;
  readonly warmup: boolean;
  readonly over: () => void;
}

/** How long an end before time waits for answers. */
const STOP_WAIT_MS = 5_000;

/** Starts a run: its folder, its start record, its traffic. */
export async function runLoad(options: LoadOptions): Promise<LoadRun> {
  const { target, plan, seed, timeoutMs, cwd } = options;
  const addresses = await resolveAddresses(target.url);
  const run = newRunId(target.name, new Date());
  const folder = createRunFolder(cwd, run);
  const log = openClientLog(folder.clientLog, ({ code }) =>
    process.stderr.write(`${folder.clientLog}: the events can't be written (${code}); the rest of them is lost\n`),
  );
  const events = clientEvents({ log, run, topology: target.name, sameMachine: target.sameMachine });
  if (target.deployment) folder.linkLogs(target.deployment.folder);
  folder.record({
    record: 'start',
    timestamp: new Date().toISOString(),
    run,
    topology: target.topology,
    topologyHash: target.topology && hashValue(target.topology),
    deployment: target.deployment?.id ?? null,
    ...(target.aws !== undefined && { aws: target.aws }),
    url: target.url.href.replace(/\/$/, ''),
    seed,
    process: events.process,
    plan,
  });
  events.processEvent('SERVICE_UP', { pid: process.pid });
  const clockTimer = setInterval(() => events.processEvent('CLOCK'), CLOCK_PERIOD_MS);

  const planRequest = requestPlanner(target.targets, seed);
  const requestText = requestWriter(target.url.host, run, options.overlay);
  const warmup = measures();
  const measured = measures();
  let warmingUp = plan.warmupMs > 0;
  let stopped = false;
  let stopTimer: NodeJS.Timeout | null = null;

  const client = httpClient<Exchange>({
    origin: target.url,
    addresses,
    timeoutMs,
    onAnswer: ({ span, plannedAt, sentAt, warmup: isWarmup, over }, head, bodyBytes) => {
      const receipt = readClocks();
      const now = receipt.at;
      const durationMs = now - sentAt;
      events.responseReceived(span, receipt, head, durationMs, bodyBytes);
      (isWarmup ? warmup : measured).answered(head.status, now - plannedAt, durationMs);
      over();
    },
    onFailure: ({ span, plannedAt, sentAt, warmup: isWarmup, over }, kind, message) => {
      const failure = readClocks();
      const now = failure.at;
      events.error(span, failure, kind, message, now - sentAt);
      (isWarmup ? warmup : measured).failed(kind, now - plannedAt, now - sentAt);
      over();
    },
  });

  const driver = drive({
    arrivals: arrivals(plan, seed),
    send: (arrival, plannedAt, over) => {
      const request = planRequest(arrival.index);
      const { key, target: to } = request;
      const span: ClientSpan = { traceId: newTraceId(), requestId: newRequestId(), key, callee: to.callee };
      const sending = readClocks();
      const sentAt = sending.at;
      const hlc = events.requestSent(span, sending, sentAt - plannedAt);
      warmingUp = arrival.warmup;
      (arrival.warmup ? warmup : measured).sent(plannedAt, sentAt);
      const exchange: Exchange = { span, plannedAt, sentAt, warmup: arrival.warmup, over };
      client.send(requestText(request, span, hlc), to.method, exchange);
    },
    notSent: (arrival) => (arrival.warmup ? warmup : measured).notSent(),
    ...(options.maxInFlight !== undefined && { maxInFlight: options.maxInFlight }),
    spin: options.spin ?? false,
  });

  const playing =
    options.play &&
    playScenario(options.play, { run, zeroAt: driver.startedAt + plan.warmupMs, record: folder.record });

  const end = async (): Promise<LoadResult> => {
    await driver.done;
    const scenario = (await playing?.finish()) ?? null;
    if (stopTimer) clearTimeout(stopTimer);
    clearInterval(clockTimer);
    addresses.stop();
    client.close('the run is over');
    events.processEvent('SERVICE_DOWN', { reason: stopped ? 'stopped' : 'finished' });
    await log.close();
    if (target.deployment) folder.linkLogs(target.deployment.folder);
    const figures = measured.figures();
    const total = totals([warmup.figures(), figures]);
    folder.record({
      record: 'end',
      timestamp: new Date().toISOString(),
      run,
      ...total,
      lastSeq: events.lastSeq(),
      finished: !stopped,
    });
    return {
      run,
      seed,
      url: target.url.href.replace(/\/$/, ''),
      topology: target.topology?.name ?? null,
      plan,
      finished: !stopped,
      total,
      figures,
      scenario,
      folder: folder.path,
    };
  };

  return {
    run,
    folder: folder.path,
    done: end(),
    progress: () => ({
      elapsedMs: performance.now() - driver.startedAt,
      inFlight: driver.inFlight,
      warmingUp,
      counts: (warmingUp ? warmup : measured).counts(),
    }),
    stop: () => {
      if (stopped) return;
      stopped = true;
      driver.stop();
      // What the scenario did is taken back at once, also where whoever asked leaves before the answers are in.
      void playing?.finish();
      stopTimer = setTimeout(
        () => client.close('the run was ended before the answer'),
        Math.min(timeoutMs, STOP_WAIT_MS),
      );
    },
    flushSync: log.flushSync,
  };
}

/** Writes a request's head and body, one byte a character. */
function requestWriter(host: string, run: string, overlay?: string) {
  const carried = overlay === undefined ? '' : `${overlay},`;
  const always = ` HTTP/1.1\r\nhost: ${host}\r\nuser-agent: microcosm\r\naccept: */*\r\n${HEADERS.baggage}: ${carried}${BAGGAGE.run}=${run},${BAGGAGE.key}=`;
  return ({ target, key, path, bodyBytes }: PlannedRequest, span: ClientSpan, hlc: string): string => {
    const parent = formatTraceparent(span.traceId, span.requestId, '01');
    const head = `${target.method} ${path}${always}${key}\r\n${HEADERS.traceparent}: ${parent}\r\n${HEADERS.clock}: ${hlc}\r\n`;
    if (bodyBytes === null)
      return target.method === 'GET' || target.method === 'HEAD' ? `${head}\r\n` : `${head}content-length: 0\r\n\r\n`;
    return `${head}content-type: application/json\r\ncontent-length: ${bodyBytes}\r\n\r\n${jsonBody(bodyBytes)}`;
  };
}

function totals(parts: readonly Figures[]): LoadResult['total'] {
  const errors: Record<string, number> = {};
  for (const part of parts) {
    for (const [kind, count] of Object.entries(part.errors)) errors[kind] = (errors[kind] ?? 0) + count;
    for (const [status, count] of Object.entries(part.statuses)) {
      if (Number(status) >= 400) errors[`HTTP_${status}`] = (errors[`HTTP_${status}`] ?? 0) + count;
    }
  }
  const sum = (field: 'sent' | 'notSent' | 'answered' | 'failed') => parts.reduce((all, part) => all + part[field], 0);
  return { sent: sum('sent'), notSent: sum('notSent'), answered: sum('answered'), failed: sum('failed'), errors };
}

import { CLIENT_SERVICE } from '../../model/contract';
import type { Event } from '../../model/event';
import type { ManifestEnd } from '../../model/manifest';
import { ADHOC_RUN, NO_RUN } from '../../model/run-id';
import type { Slice } from '../../model/slice';
import type { Topology } from '../../model/topology';
import type { Departure, Explained, Findings } from './departure';
import { checkFlow } from './flow/check-flow';
import { lostTails } from './lost-tails';
import { slimEvent } from './parse-event';
import { policyReplays } from './policies/policy-replays';
import { clockMoved, gapOf, newFacts, note, type ProcessFacts } from './process-facts';
import { flowRecord } from './span-record';
import { topologies } from './topologies';

export interface RunToCheck {
  readonly run: string;
  /** As the run's manifest recorded it. */
  readonly topology: Topology;
  /** The manifest's end record; null where there is none: the run is unfinished, which is not wrong. */
  readonly end: ManifestEnd | null;
  /**
   * Whether all processes have had the time to finish and log what the run's last requests began; until then an open
   * request of a process without SERVICE_DOWN is not held against it. @default true
   */
  readonly settled?: boolean;
  /** Process id of the client, as the manifest's start record has it. */
  readonly clientProcess?: string | undefined;
}

export interface Conformance {
  readonly run: string;
  readonly topology: string;
  /** `departs`: something was not as the topology says. `incomplete`: nothing was, but parts of the log are lost. */
  readonly verdict: 'conforms' | 'departs' | 'incomplete';
  /** Whether the run has an end record. */
  readonly finished: boolean;
  readonly events: number;
  readonly duplicates: number;
  readonly flows: number;
  readonly flowsDeparting: number;
  readonly spans: number;
  readonly departures: readonly Departure[];
  readonly explained: Explained;
}

export interface RunCheck {
  /** Takes in an event of the run or of a process, in any order; events of other runs are left out. */
  add(event: Event): void;
  finish(): Conformance;
}

/** Checks a run against its topology. Events are kept by flow until the last is in; flows are then checked one by one. */
export function runCheck({ run, topology, end, settled = true, clientProcess }: RunToCheck): RunCheck {
  const known = topologies(topology);
  const findings: Findings = { departures: [], explained: {} };
  const processes = new Map<string, ProcessFacts>();
  const flows = new Map<string, Event[]>();
  const policies = policyReplays(run, known);
  const texts = new Map<string, string>();
  let events = 0;

  /** One copy of a text that recurs; ids of requests recur in one flow only, and are forgotten before they are many. */
  const once = (text: string): string => {
    const known = texts.get(text);
    if (known !== undefined) return known;
    if (texts.size > 100_000) texts.clear();
    texts.set(text, text);
    return text;
  };

  const overlays = new Map<string, Event['overlay']>();

  /** All requests of a run bring the same few. */
  const withOneOverlay = (event: Event): Event => {
    if (!event.overlay) return event;
    const text = JSON.stringify(event.overlay);
    const overlay = overlays.get(text) ?? event.overlay;
    if (overlays.size < 1_000) overlays.set(text, overlay);
    return { ...event, overlay };
  };

  const add = (event: Event): void => {
    const slice = event.event === 'TOPOLOGY_CHANGED' ? event.detail?.slice : undefined;
    if (isSlice(slice)) known.change(slice);
    // Requests of other runs move the same policies' states.
    policies.add(event);
    if (event.run !== run && event.run !== NO_RUN) return;
    let facts = processes.get(event.process);
    if (!facts) {
      facts = newFacts(event);
      processes.set(event.process, facts);
    }
    note(facts, event, run);
    if (event.run !== run) return;
    events += 1;
    if (event.traceId === undefined) return;
    const slim = withOneOverlay(slimEvent(event, once));
    const flow = flows.get(event.traceId);
    if (flow) flow.push(slim);
    else flows.set(event.traceId, [slim]);
  };

  const finish = (): Conformance => {
    const tails = lostTails([...processes.values()], settled && end !== null);
    if (tails.crashes > 0) findings.explained['crash of an instance'] = tails.crashes;
    const context = {
      topologies: known,
      tails,
      finished: end !== null,
      hasClient: run !== ADHOC_RUN,
      clockMoved: (event: Event) => {
        const facts = processes.get(event.process);
        return facts !== undefined && clockMoved(facts, event);
      },
      findings,
    };
    let spans = 0;
    const flowsChecked = flows.size;
    let clientRequests = 0;
    for (const [traceId, list] of flows) {
      const flow = flowRecord(traceId, list);
      checkFlow(flow, context);
      flows.delete(traceId);
      spans += flow.spans.size;
      clientRequests += flow.client.size;
    }
    findings.departures.push(...policies.finish(processes, tails));
    const departing = new Set(findings.departures.flatMap(({ traceId }) => traceId ?? []));
    checkProcesses(processes.values(), run, end, known, findings, clientProcess);
    checkTotals(clientRequests, end, findings);
    const { departures, explained } = findings;
    const wrong = departures.some(({ kind }) => kind !== 'lost');
    return {
      run,
      topology: topology.name,
      verdict: departures.length === 0 ? 'conforms' : wrong ? 'departs' : 'incomplete',
      finished: end !== null,
      events,
      duplicates: duplicatesIn(processes.values()),
      flows: flowsChecked,
      flowsDeparting: departing.size,
      spans,
      departures,
      explained,
    };
  };

  return { add, finish };
}

/** Enough of a slice to check spans against; a node validated it before it said so. */
export function isSlice(value: unknown): value is Slice {
  const slice = value as Partial<Slice> | null | undefined;
  const endpoints = slice?.service?.endpoints;
  return typeof slice?.seed === 'string' && typeof slice.epoch === 'number' && typeof endpoints === 'object';
}

function checkProcesses(
  processes: Iterable<ProcessFacts>,
  run: string,
  end: ManifestEnd | null,
  known: ReturnType<typeof topologies>,
  { departures }: Findings,
  clientProcess: string | undefined,
): void {
  for (const facts of processes) {
    const { instance, service, process, up, dropped } = facts;
    const ofProcess = { traceId: null, span: null, service, step: null };
    if (up?.slice !== undefined && known.has(service) && !known.knowsSlice(service, up.slice)) {
      const expected = known.at(service, 0)?.sliceHash ?? 'none';
      const message = `${instance} ran another slice of the topology than the run's record gives ${service}`;
      departures.push({ kind: 'wrong-slice', ...ofProcess, expected, actual: up.slice, message });
    }
    const isDriver = service === CLIENT_SERVICE && (clientProcess === undefined || process === clientProcess);
    const gap = gapOf(facts, isDriver ? (end?.lastSeq ?? 0) : facts.lastTold);
    if (!gap) continue;
    const why = dropped > 0 ? ` (${dropped} dropped by a full buffer)` : '';
    const message = `${instance} (process ${process}) logged ${gap.missing} more events of ${run} than are here${why}: numbers ${gap.ranges}`;
    departures.push({ kind: 'lost', ...ofProcess, expected: 'no gap', actual: `${gap.missing} missing`, message });
  }
}

/** The client says how many requests it sent: each has a flow, if only with the client's own events. */
function checkTotals(found: number, end: ManifestEnd | null, { departures }: Findings): void {
  if (!end || end.sent === found) return;
  departures.push({
    kind: 'lost',
    traceId: null,
    span: null,
    service: CLIENT_SERVICE,
    step: null,
    expected: `${end.sent} requests`,
    actual: `${found} requests`,
    message: `the run's manifest says that ${end.sent} requests were sent, and the client's log has ${found}`,
  });
}

function duplicatesIn(processes: Iterable<ProcessFacts>): number {
  let duplicates = 0;
  for (const { seqs } of processes) for (let i = 1; i < seqs.length; i++) if (seqs[i] === seqs[i - 1]) duplicates += 1;
  return duplicates;
}

import { CLIENT_SERVICE } from '../../model/contract';
import { formatHash, rootPlace } from '../../model/draw';
import type { Event } from '../../model/event';
import { routeId } from '../../model/itinerary-steps';
import type { OverlayRule } from '../../model/overlay';
import { stepsWithin } from '../../model/resolve';
import type { Endpoint } from '../../model/topology';
import { checkSpan, elapsedMs, flowKey, isAccepted, reporter, type SpanContext } from './check-span';
import { explain, type Findings } from './departure';
import { loggedCause } from './logged-causes';
import { type LostTails, TAIL_CAUSES } from './lost-tails';
import type { Connection, FlowRecord, SpanRecord } from './span-record';
import type { Topologies } from './topologies';

/** What the check must know beside a flow's own events. */
export interface FlowContext {
  readonly topologies: Topologies;
  /** Why the tail of a process's or an instance's log may be missing without a word, and undefined where nothing may. */
  readonly tails: LostTails;
  /** False while the run has no end record: what has not ended yet is not held against it. */
  readonly finished: boolean;
  /** Whether a client's events belong to every flow: not for requests outside of a run. */
  readonly hasClient: boolean;
  /** Whether the wall clock of the event's process was not true then. */
  readonly clockMoved: (event: Event) => boolean;
  readonly findings: Findings;
}

/** A connection with what it was for. */
interface Sent {
  readonly parent: SpanRecord;
  readonly kind: 'call' | 'send' | undefined;
  readonly connection: Connection;
  readonly children: SpanRecord[];
}

/** Balancers answer so by themselves when no instance does. */
const BALANCER_STATUSES: readonly number[] = [502, 503, 504];

/**
 * Checks one flow: each span by itself (`checkSpan`), and each request sent against the span that handled it. Pure; what
 * it finds goes to the context's findings.
 */
export function checkFlow(flow: FlowRecord, context: FlowContext): void {
  const sent = requestsSent(flow, context);
  const { keyText, key } = flowKey(flow.spans.values(), flow.traceId);
  const deadlines = new Map<string, number | undefined>();
  const sentFor = new Map<SpanRecord, Sent>();
  const works = new Map<string, SpanRecord[]>();
  const roots: SpanRecord[] = [];

  for (const span of flow.spans.values()) {
    const { parentRequestId, place } = span.events[0] ?? {};
    if (isWork(span, flow)) {
      push(works, parentRequestId as string, span);
      continue;
    }
    const own = parentRequestId === undefined ? undefined : sent.get(pair(parentRequestId, place));
    if (own) {
      own.children.push(span);
      sentFor.set(span, own);
    } else if (parentRequestId === undefined || !flow.spans.has(parentRequestId)) roots.push(span);
    else checkUnsent(span, flow.spans.get(parentRequestId) as SpanRecord, sent, context);
  }

  /** Milliseconds that a span had, worked out from its caller's: undefined where events that tell it are lost. */
  const deadlineOf = (span: SpanRecord): number | undefined => {
    if (deadlines.has(span.requestId)) return deadlines.get(span.requestId);
    deadlines.set(span.requestId, undefined);
    const from = sentFor.get(span);
    let deadline: number | undefined;
    if (from?.connection.sent) {
      const parents = deadlineOf(from.parent);
      const elapsed = elapsedMs(from.parent, from.connection.sent);
      deadline = parents === undefined || elapsed === undefined ? undefined : Math.floor(parents - elapsed);
    } else if (!from && (roots.includes(span) || span.received?.via === 'queue')) {
      deadline = roots.includes(span) && !isRoot(span, flow) ? undefined : endpointOf(span, context)?.deadlineMs;
    }
    deadlines.set(span.requestId, deadline);
    return deadline;
  };

  const overlay = overlayOf(roots, flow);
  for (const root of roots) checkRoot(root, flow, context);
  for (const span of flow.spans.values()) {
    const spanContext: SpanContext = {
      topologies: context.topologies,
      findings: context.findings,
      keyText,
      key,
      deadlineMs: deadlineOf(span),
      cutBy: context.tails.ofProcess(span.process),
      asked: sentFor.get(span)?.kind,
      clockMoved: [span.received, span.last].some((event) => event !== undefined && context.clockMoved(event)),
      overlay,
    };
    checkSpan(span, spanContext);
    if (isAccepted(span)) checkWorks(span, works.get(span.requestId) ?? [], context);
  }
  for (const request of sent.values()) checkSent(request, context);
  if (context.hasClient) checkClient(flow, roots, context);
}

/** All requests that spans say they sent, by (parent, place). */
function requestsSent(flow: FlowRecord, context: FlowContext): Map<string, Sent> {
  const sent = new Map<string, Sent>();
  for (const parent of flow.spans.values()) {
    const endpoint = endpointOf(parent, context);
    const kinds = endpoint ? stepKinds(endpoint) : undefined;
    for (const { attempts, step } of parent.calls.values()) {
      for (const { connections } of attempts) {
        const connection = connections[connections.length - 1];
        const event = connection?.sent ?? connection?.outcome;
        if (!connection || !event) continue;
        sent.set(pair(parent.requestId, event.callPlace), { parent, kind: kinds?.get(step), connection, children: [] });
      }
    }
  }
  return sent;
}

function checkSent({ parent, kind, connection, children }: Sent, context: FlowContext): void {
  const { findings, tails, topologies } = context;
  const { sent, outcome } = connection;
  const event = sent ?? outcome;
  const report = reporter(parent, findings);
  const callee = event?.callee ?? 'its callee';
  const step = event?.step ?? null;
  const [child] = children;
  for (const surplus of children.slice(1)) {
    const text = `${surplus.service} handled the same request of ${parent.service} twice`;
    reporter(surplus, findings)('extra-call', step, 'one span', `${children.length} spans`, text);
  }
  if (!child) {
    if (outcome?.event !== 'RESPONSE_RECEIVED') return;
    const tail = tails.ofInstance(outcome.peer ?? '');
    if (tail) explain(findings, TAIL_CAUSES[tail]);
    else {
      const text = `${callee} answered ${outcome.status}, and its side of the request is in no log`;
      report('lost', step, `a span of ${callee}`, 'none', text);
    }
    return;
  }
  const { service } = child;
  const endpoint = child.received?.endpoint ?? child.events[0]?.endpoint;
  const [calledService = '', ...rest] = (event?.callee ?? '').split(' ');
  const calledEndpoint = rest.join(' ');
  if (service !== calledService) {
    report('wrong-callee', step, callee, `${service} ${endpoint}`, `a request for ${callee} was handled by ${service}`);
  } else if (endpoint !== calledEndpoint && child.received) {
    report(
      'wrong-endpoint',
      step,
      callee,
      `${service} ${endpoint ?? 'none'}`,
      `a request for ${callee} was handled by ${endpoint ?? 'no endpoint'}`,
    );
  }
  const described = topologies.at(service, child.events[0]?.epoch ?? 0);
  // A live change gives the caller a new slice, and not the callee: either of them may declare the call.
  const calls = topologies.at(parent.service, parent.events[0]?.epoch ?? 0)?.service.callees.includes(service);
  if (described && !calls && !described.service.callers.includes(parent.service)) {
    const callers = described.service.callers.join(', ') || 'nobody';
    report(
      'undeclared',
      step,
      `a caller of ${service}: ${callers}`,
      parent.service,
      `${parent.service} is no declared caller of ${service}`,
    );
  }
  checkStop(parent, child, step, context);
  const answered = child.last?.status ?? child.result?.status;
  if (outcome?.status !== undefined && answered !== undefined && outcome.status !== answered) {
    const text = `${service} answered ${answered}, and ${parent.service} received ${outcome.status}`;
    report('wrong-status', step, String(answered), String(outcome.status), text);
  }
  if (kind === 'send' && answered === 200) {
    const text = `${service} worked on a send before it answered, where 202 was due`;
    report('wrong-status', step, '202', String(answered), text);
  }
  const cause = outcome?.error && loggedCause(outcome.error.kind);
  if (cause && (cause.reconnects || cause.attempt === 'alone')) {
    const text = `${service} handled a request that ${parent.service} says it could not send (${outcome?.error?.kind})`;
    report('extra-call', step, 'no span', 'a span', text);
  }
}

/** A span whose caller is known and does not say that it sent this request. */
function checkUnsent(
  span: SpanRecord,
  parent: SpanRecord,
  sent: ReadonlyMap<string, Sent>,
  { findings, tails }: FlowContext,
): void {
  const report = reporter(span, findings);
  for (const request of sent.values()) {
    if (request.parent !== parent || request.connection.outcome?.peerRequestId !== span.requestId) continue;
    const expected = request.connection.outcome.callPlace ?? 'none';
    request.children.push(span);
    const text = `${span.service} worked at another place than its caller sent it to`;
    report('wrong-place', null, expected, span.events[0]?.place ?? 'none', text);
    return;
  }
  if (parent.complete) {
    const text = `${span.service} handled a request of ${parent.service}, which did not send it`;
    report('extra-call', null, 'no span', `a span at place ${span.events[0]?.place}`, text);
    return;
  }
  // The caller's own gap is reported with the caller.
  const tail = tails.ofProcess(parent.process);
  if (tail) explain(findings, TAIL_CAUSES[tail]);
}

/** Whether the span is the work of a `send` that another span of the flow accepted. */
function isWork(span: SpanRecord, { spans }: FlowRecord): boolean {
  const { parentRequestId } = span.events[0] ?? {};
  if (parentRequestId === undefined) return false;
  if (span.received) return span.received.via === 'queue';
  const parent = spans.get(parentRequestId);
  return parent !== undefined && isAccepted(parent);
}

/** A stop of an itinerary does what the one before it sent. */
function checkStop(parent: SpanRecord, child: SpanRecord, step: string | null, { findings }: FlowContext): void {
  const [sent, did] = [parent.received?.itinerary, child.received?.itinerary];
  if (!sent || !did) return;
  const stop = sent.routes.find(({ service }, index) => step === routeId(service, index))?.stop;
  if (stop === undefined || stop === did.stop) return;
  const text = `${child.service} was sent another stop of the itinerary than it carried out`;
  reporter(child, findings)('wrong-itinerary', step, stop, did.stop, text);
}

function checkWorks(accepted: SpanRecord, works: readonly SpanRecord[], context: FlowContext): void {
  const { findings, tails } = context;
  const { service } = accepted;
  const [work] = works;
  if (!work) {
    const tail = tails.ofProcess(accepted.process);
    if (tail) {
      explain(findings, TAIL_CAUSES[tail]);
      return;
    }
    const text = `${service} accepted a send and never worked on it`;
    reporter(accepted, findings)('missing-call', null, 'its work', 'none', text);
    return;
  }
  for (const surplus of works.slice(1)) {
    reporter(surplus, findings)(
      'extra-call',
      null,
      'one work',
      `${works.length}`,
      `${service} worked on one send twice`,
    );
  }
  const [expected, actual] = [accepted.events[0]?.place, work.events[0]?.place];
  if (expected !== actual) {
    const text = `${service} worked on a send at another place than it accepted it at`;
    reporter(work, findings)('wrong-place', null, String(expected), String(actual), text);
  }
}

/** A span without a caller among the spans: the flow's beginning, or one whose caller's log is lost. */
function checkRoot(span: SpanRecord, flow: FlowRecord, { topologies, findings, tails, hasClient }: FlowContext): void {
  const { endpoint, place, epoch = 0, parentRequestId, peer } = span.received ?? span.events[0] ?? {};
  const report = reporter(span, findings);
  if (!isRoot(span, flow)) {
    const tail = tails.ofInstance(peer ?? '');
    if (tail) {
      explain(findings, TAIL_CAUSES[tail]);
      return;
    }
    const text = `the request that ${span.service} handled was sent by ${peer ?? 'a span'} whose log is lost`;
    report('lost', null, `a span ${parentRequestId}`, 'none', text);
    return;
  }
  const described = topologies.at(span.service, epoch);
  if (!described || endpoint === undefined) return;
  if (hasClient && !described.service.edge) {
    const text = `${span.service} is not at the edge and handled a request of the client`;
    report('undeclared', null, 'an edge service', span.service, text);
  }
  const expected = formatHash(rootPlace(described.seed, span.service, endpoint));
  if (place !== expected) {
    report(
      'wrong-place',
      null,
      expected,
      place ?? 'none',
      `${span.service} began the flow at another place than its root`,
    );
  }
}

/** Whether nothing in the mesh sent it: the client did, or it came through the edge port, or without a parent. */
function isRoot(span: SpanRecord, { client }: FlowRecord): boolean {
  const { parentRequestId, place } = span.events[0] ?? {};
  if (parentRequestId === undefined || client.has(parentRequestId)) return true;
  return span.received ? span.received.via === 'edge' : place === undefined;
}

const NO_OVERLAY: readonly OverlayRule[] = [];

/** What the flow brought along, as its beginning says; undefined where that is lost, or there are several that differ. */
function overlayOf(roots: readonly SpanRecord[], flow: FlowRecord): readonly OverlayRule[] | undefined {
  const begun = roots.filter((root) => isRoot(root, flow));
  const [first] = begun;
  if (!first || begun.length < roots.length || begun.some(({ received }) => !received)) return undefined;
  const text = (root: SpanRecord): string => JSON.stringify(root.received?.overlay ?? NO_OVERLAY);
  const same = begun.length === 1 || begun.every((root) => text(root) === text(first));
  return same ? (first.received?.overlay ?? NO_OVERLAY) : undefined;
}

function checkClient(flow: FlowRecord, roots: readonly SpanRecord[], context: FlowContext): void {
  const { findings } = context;
  if (flow.client.size === 0) {
    const root = roots[0] ?? [...flow.spans.values()][0];
    if (root) {
      const text = `${root.service} handled a request that the ${CLIENT_SERVICE}'s log does not know`;
      reporter(root, findings)('lost', null, `a REQUEST_SENT of the ${CLIENT_SERVICE}`, 'none', text);
    }
    return;
  }
  for (const request of flow.client.values()) {
    const report = reporter(request, findings);
    const own = roots.filter(({ events }) => events[0]?.parentRequestId === request.requestId);
    const sent = request.events.find(({ event }) => event === 'REQUEST_SENT');
    const outcome = request.events.find(({ event }) => event === 'RESPONSE_RECEIVED' || event === 'ERROR');
    if (!sent || !outcome) {
      if (sent && !context.finished) explain(findings, 'not finished yet');
      else
        report(
          'lost',
          null,
          'a request and its outcome',
          sent ? 'no outcome' : 'no request',
          "part of the client's log is lost",
        );
    }
    if (outcome?.error) explain(findings, `client: ${outcome.error.kind}`);
    const [root] = own;
    if (own.length > 1) {
      report(
        'extra-call',
        null,
        'one span',
        `${own.length} spans`,
        'one request of the client was handled more than once',
      );
    }
    const status = outcome?.status;
    if (!root) {
      if (outcome === undefined || outcome.event === 'ERROR') continue;
      if (status !== undefined && BALANCER_STATUSES.includes(status) && !outcome.peerRequestId) {
        explain(findings, `answered ${status} by the balancer`);
        continue;
      }
      // The balancer doesn't say whom it asked: it may have been one that died before its events were written.
      const tail = context.tails.ofService(sent?.callee?.split(' ')[0] ?? '');
      if (tail) {
        explain(findings, TAIL_CAUSES[tail]);
        continue;
      }
      const text = `the client received ${status}, and no log shows who handled the request`;
      report('lost', null, `a span of ${sent?.callee ?? 'the edge'}`, 'none', text);
      continue;
    }
    const { endpoint } = root.received ?? root.events[0] ?? {};
    const handled = `${root.service} ${endpoint}`;
    if (sent?.callee !== undefined && root.received && endpoint !== undefined && sent.callee !== handled) {
      const kind = sent.callee.startsWith(`${root.service} `) ? 'wrong-endpoint' : 'wrong-callee';
      report(kind, null, sent.callee, handled, `the client asked for ${sent.callee}, and ${handled} answered`);
    }
    const answered = root.last?.status ?? root.result?.status;
    if (status === undefined || answered === undefined || status === answered) continue;
    const gone = root.last?.error?.kind === 'CLIENT_GONE';
    if (gone && BALANCER_STATUSES.includes(status)) explain(findings, `answered ${status} by the balancer`);
    else
      report(
        'wrong-status',
        null,
        String(answered),
        String(status),
        `${handled} answered ${answered}, and the client received ${status}`,
      );
  }
}

function endpointOf(span: SpanRecord, { topologies }: FlowContext): Endpoint | undefined {
  const { endpoint = '', epoch = 0 } = span.events[0] ?? {};
  return topologies.at(span.service, epoch)?.service.endpoints[endpoint];
}

const kindsOf = new WeakMap<Endpoint, Map<string, 'call' | 'send'>>();

function stepKinds(endpoint: Endpoint): ReadonlyMap<string, 'call' | 'send'> {
  let kinds = kindsOf.get(endpoint);
  if (!kinds) {
    kinds = new Map();
    for (const step of stepsWithin(endpoint.steps)) {
      if (step.kind === 'call' || step.kind === 'send') kinds.set(step.id, step.kind);
    }
    kindsOf.set(endpoint, kinds);
  }
  return kinds;
}

function pair(parent: string, place: string | undefined): string {
  return `${parent} ${place ?? ''}`;
}

function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

import { routeId } from '../../../model/itinerary-steps';
import { explain } from '../departure';
import { loggedCause } from '../logged-causes';
import { TAIL_CAUSES } from '../lost-tails';
import { reporter } from '../span/span-report';
import type { SpanRecord } from '../span-record';
import type { FlowContext } from './flow-context';
import type { RequestsSent, Sent } from './requests-sent';

/** A request sent, held against the span that handled it. */
export function checkPair(request: Sent, context: FlowContext): void {
  const { parent, connection, children } = request;
  const { findings, tails } = context;
  const { sent, outcome } = connection;
  const { step = null, callee = 'its callee' } = sent ?? outcome ?? {};
  const [child, ...surplus] = children;
  for (const other of surplus) {
    const text = `${other.service} handled the same request of ${parent.service} twice`;
    reporter(other, findings)('extra-call', step, 'one span', `${children.length} spans`, text);
  }
  if (child) {
    checkCallee(request, child, context);
    checkDeclared(request, child, context);
    checkStop(request, child, context);
    checkReceipt(request, child, context);
    return;
  }
  if (outcome?.event !== 'RESPONSE_RECEIVED') return;
  const tail = tails.ofInstance(outcome.peer ?? '');
  if (tail) explain(findings, TAIL_CAUSES[tail]);
  else {
    const text = `${callee} answered ${outcome.status}, and its side of the request is in no log`;
    reporter(parent, findings)('lost', step, `a span of ${callee}`, 'none', text);
  }
}

/** The service and endpoint that were called handled it. */
function checkCallee({ parent, connection }: Sent, child: SpanRecord, { findings }: FlowContext): void {
  const report = reporter(parent, findings);
  const { step = null, callee = '' } = connection.sent ?? connection.outcome ?? {};
  const { service } = child;
  const endpoint = child.received?.endpoint ?? child.events[0]?.endpoint;
  const [calledService = '', ...rest] = callee.split(' ');
  const called = callee || 'its callee';
  if (service !== calledService) {
    report('wrong-callee', step, called, `${service} ${endpoint}`, `a request for ${called} was handled by ${service}`);
  } else if (endpoint !== rest.join(' ') && child.received) {
    const text = `a request for ${called} was handled by ${endpoint ?? 'no endpoint'}`;
    report('wrong-endpoint', step, called, `${service} ${endpoint ?? 'none'}`, text);
  }
}

/** A live change gives the caller a new slice, and not the callee: either of them may declare the call. */
function checkDeclared(
  { parent, connection }: Sent,
  { service, events }: SpanRecord,
  { topologies, findings }: FlowContext,
): void {
  const described = topologies.at(service, events[0]?.epoch ?? 0);
  const calls = topologies.at(parent.service, parent.events[0]?.epoch ?? 0)?.service.callees.includes(service);
  if (!described || calls || described.service.callers.includes(parent.service)) return;
  const { step = null } = connection.sent ?? connection.outcome ?? {};
  const callers = described.service.callers.join(', ') || 'nobody';
  const text = `${parent.service} is no declared caller of ${service}`;
  reporter(parent, findings)('undeclared', step, `a caller of ${service}: ${callers}`, parent.service, text);
}

/** A stop of an itinerary does what the one before it sent. */
function checkStop({ parent, connection }: Sent, child: SpanRecord, { findings }: FlowContext): void {
  const [sent, did] = [parent.received?.itinerary, child.received?.itinerary];
  if (!sent || !did) return;
  const { step = null } = connection.sent ?? connection.outcome ?? {};
  const stop = sent.routes.find(({ service }, index) => step === routeId(service, index))?.stop;
  if (stop === undefined || stop === did.stop) return;
  const text = `${child.service} was sent another stop of the itinerary than it carried out`;
  reporter(child, findings)('wrong-itinerary', step, stop, did.stop, text);
}

/** What came back is what was answered. */
function checkReceipt({ parent, kind, connection }: Sent, child: SpanRecord, { findings }: FlowContext): void {
  const report = reporter(parent, findings);
  const { sent, outcome } = connection;
  const { step = null } = sent ?? outcome ?? {};
  const { service } = child;
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
export function checkUnsent(
  span: SpanRecord,
  parent: SpanRecord,
  sent: RequestsSent,
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

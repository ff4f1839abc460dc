import { parseCallee } from '../../../model/callee';
import { CLIENT_SERVICE } from '../../../model/contract';
import type { Event } from '../../../model/event';
import { explain } from '../departure';
import { TAIL_CAUSES } from '../lost-tails';
import { reporter } from '../span/span-report';
import type { FlowRecord, SpanRecord } from '../span-record';
import type { FlowContext } from './flow-context';

/** Balancers answer so by themselves when no instance does. */
const BALANCER_STATUSES: readonly number[] = [502, 503, 504];

/** The client's requests, held against the spans that handled them. */
export function checkClient(flow: FlowRecord, roots: readonly SpanRecord[], context: FlowContext): void {
  if (flow.client.size === 0) {
    const root = roots[0] ?? [...flow.spans.values()][0];
    if (!root) return;
    const text = `${root.service} handled a request that the ${CLIENT_SERVICE}'s log does not know`;
    reporter(root, context.findings)('lost', null, `a REQUEST_SENT of the ${CLIENT_SERVICE}`, 'none', text);
    return;
  }
  for (const request of flow.client.values()) checkRequest(request, roots, context);
}

function checkRequest(request: SpanRecord, roots: readonly SpanRecord[], context: FlowContext): void {
  const { findings, finished } = context;
  const report = reporter(request, findings);
  const sent = request.events.find(({ event }) => event === 'REQUEST_SENT');
  const outcome = request.events.find(({ event }) => event === 'RESPONSE_RECEIVED' || event === 'ERROR');
  if (sent && !outcome && !finished) explain(findings, 'not finished yet');
  else if (!sent || !outcome) {
    const found = sent ? 'no outcome' : 'no request';
    report('lost', null, 'a request and its outcome', found, "part of the client's log is lost");
  }
  if (outcome?.error) explain(findings, `client: ${outcome.error.kind}`);
  const own = roots.filter(({ events }) => events[0]?.parentRequestId === request.requestId);
  if (own.length > 1) {
    const text = 'one request of the client was handled more than once';
    report('extra-call', null, 'one span', `${own.length} spans`, text);
  }
  const [root] = own;
  if (root) checkHandled(request, root, sent, outcome, context);
  else checkUnhandled(request, sent, outcome, context);
}

function checkUnhandled(
  request: SpanRecord,
  sent: Event | undefined,
  outcome: Event | undefined,
  { findings, tails }: FlowContext,
): void {
  if (outcome === undefined || outcome.event === 'ERROR') return;
  const { status, peerRequestId } = outcome;
  if (status !== undefined && BALANCER_STATUSES.includes(status) && !peerRequestId) {
    explain(findings, `answered ${status} by the balancer`);
    return;
  }
  // The balancer doesn't say whom it asked: it may have been one that died before its events were written.
  const tail = tails.ofService(parseCallee(sent?.callee ?? '').service);
  if (tail) {
    explain(findings, TAIL_CAUSES[tail]);
    return;
  }
  const text = `the client received ${status}, and no log shows who handled the request`;
  reporter(request, findings)('lost', null, `a span of ${sent?.callee ?? 'the edge'}`, 'none', text);
}

function checkHandled(
  request: SpanRecord,
  root: SpanRecord,
  sent: Event | undefined,
  outcome: Event | undefined,
  { findings }: FlowContext,
): void {
  const report = reporter(request, findings);
  const { endpoint } = root.received ?? root.events[0] ?? {};
  const handled = `${root.service} ${endpoint}`;
  if (sent?.callee !== undefined && root.received && endpoint !== undefined && sent.callee !== handled) {
    const kind = sent.callee.startsWith(`${root.service} `) ? 'wrong-endpoint' : 'wrong-callee';
    report(kind, null, sent.callee, handled, `the client asked for ${sent.callee}, and ${handled} answered`);
  }
  const status = outcome?.status;
  const answered = root.last?.status ?? root.result?.status;
  if (status === undefined || answered === undefined || status === answered) return;
  if (root.last?.error?.kind === 'CLIENT_GONE' && BALANCER_STATUSES.includes(status)) {
    explain(findings, `answered ${status} by the balancer`);
    return;
  }
  const text = `${handled} answered ${answered}, and the client received ${status}`;
  report('wrong-status', null, String(answered), String(status), text);
}

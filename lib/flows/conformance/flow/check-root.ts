import { formatHash, rootPlace } from '../../../model/draw';
import type { OverlayRule } from '../../../model/overlay';
import { explain } from '../departure';
import { TAIL_CAUSES } from '../lost-tails';
import { reporter } from '../span/span-report';
import type { FlowRecord, SpanRecord } from '../span-record';
import type { FlowContext } from './flow-context';

/** A span without a caller among the spans: the flow's beginning, or one whose caller's log is lost. */
export function checkRoot(
  span: SpanRecord,
  flow: FlowRecord,
  { topologies, findings, tails, hasClient }: FlowContext,
): void {
  const { endpoint, place, epoch = 0, parentRequestId, peer } = span.received ?? span.events[0] ?? {};
  const report = reporter(span, findings);
  if (!beginsFlow(span, flow)) {
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
  if (place === expected) return;
  const text = `${span.service} began the flow at another place than its root`;
  report('wrong-place', null, expected, place ?? 'none', text);
}

/** Whether nothing in the mesh sent it: the client did, or it came through the edge port, or without a parent. */
export function beginsFlow(span: SpanRecord, { client }: FlowRecord): boolean {
  const { parentRequestId, place } = span.events[0] ?? {};
  if (parentRequestId === undefined || client.has(parentRequestId)) return true;
  return span.received ? span.received.via === 'edge' : place === undefined;
}

const NO_OVERLAY: readonly OverlayRule[] = [];

/** What the flow brought along, as its beginning says; undefined where that is lost, or there are several that differ. */
export function overlayOf(roots: readonly SpanRecord[], flow: FlowRecord): readonly OverlayRule[] | undefined {
  const begun = roots.filter((root) => beginsFlow(root, flow));
  const [first] = begun;
  if (!first || begun.length < roots.length || begun.some(({ received }) => !received)) return undefined;
  const text = (root: SpanRecord): string => JSON.stringify(root.received?.overlay ?? NO_OVERLAY);
  const same = begun.length === 1 || begun.every((root) => text(root) === text(first));
  return same ? (first.received?.overlay ?? NO_OVERLAY) : undefined;
}

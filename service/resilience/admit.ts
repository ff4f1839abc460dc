import { decisionField } from '../../lib/model/event-line';
import type { EventLog } from '../log/event-log';
import type { Refusal } from '../request/refusal';
import { leftMs, type Span } from '../span';
import type { Limiter } from './limiter';

/** Waits for the request's turn, as long as its deadline allows. Undefined once it may be worked on. */
export async function admit(limiter: Limiter, span: Span, log: EventLog): Promise<Refusal | undefined> {
  const entered = limiter.enter(leftMs(span));
  // A request that is shed is so at once: the log then has the order in which the limit was asked.
  if (entered === true || (entered !== false && (await entered))) return undefined;
  if (entered !== false) return { status: 504, kind: 'DEADLINE', message: 'the deadline passed before its turn' };
  const { limit, queue } = limiter.settings;
  log.event(span.log, 'REQUEST_SHED', decisionField({ limit, queue }));
  return { status: 503, kind: 'OVERLOAD', message: `${limit} requests are worked on and ${queue} wait` };
}

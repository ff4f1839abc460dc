import type { Limit } from '../../../model/resilience';
import type { Moment, PolicyReport } from './tracked-attempt';

/** A request under a limit, from its receipt to its end. */
export interface LimitedRequest {
  readonly received: Moment;
  readonly report: PolicyReport;
  /** It asked for its turn in the turn of the event loop in which it was received. */
  readonly asksAtOnce: boolean;
}

/** Which requests a limit of one process let in, queued or should have shed. */
export interface LimiterReplay {
  received(request: LimitedRequest): void;
  /** It does something, and so has been let in. */
  works(request: LimitedRequest): void;
  shed(request: LimitedRequest): void;
  /** @param asked false where it was answered without asking for its turn: refused, or a `send` */
  ended(request: LimitedRequest, asked: boolean): void;
  lost(): void;
  readonly known: boolean;
}

/** What stood when the request came. */
interface Arrival {
  readonly open: number;
  readonly sure: number;
  readonly left: number;
}

/**
 * Requests come in and leave in the turn of their events; only one with a body may ask for its turn later. A request that
 * waits and one that works without calls look alike: what is certain is how many there are of both.
 * See `service/resilience/limiter.ts`.
 */
export function limiterReplay({ limit, queue }: Limit, where: string): LimiterReplay {
  /** Received and not ended, by what stood before. */
  const open = new Map<LimitedRequest, Arrival>();
  /** Those of them that have certainly asked. */
  const sure = new Set<LimitedRequest>();
  const working = new Set<LimitedRequest>();
  let left = 0;
  let known = true;
  const room = limit + queue;

  const remove = (request: LimitedRequest): void => {
    sure.delete(request);
    working.delete(request);
    if (open.delete(request)) left += 1;
  };

  /** It found all places taken, and was not shed. */
  const checkAdmitted = (request: LimitedRequest): void => {
    const arrival = open.get(request);
    if (!request.asksAtOnce || !arrival || arrival.sure < room) return;
    const text = `${where} took a request in with ${arrival.sure} there, and its limit is ${limit} and ${queue} that wait`;
    request.report('missing-decision', 'REQUEST_SHED', 'a request let in', text);
  };

  return {
    get known() {
      return known;
    },
    received(request) {
      open.set(request, { open: open.size, sure: sure.size, left });
      if (request.asksAtOnce) sure.add(request);
    },
    works(request) {
      if (working.has(request) || !open.has(request)) return;
      checkAdmitted(request);
      sure.add(request);
      working.add(request);
      if (working.size <= limit) return;
      const text = `${working.size} requests were worked on at ${where}, and its limit is ${limit}`;
      request.report('over-limit', `at most ${limit}`, `${working.size} requests`, text);
    },
    shed(request) {
      const arrival = open.get(request);
      if (known && arrival) {
        const others = request.asksAtOnce ? arrival.open : open.size - 1 + left - arrival.left;
        if (others < room) {
          const text = `${where} shed a request with ${others} there, and its limit is ${limit} and ${queue} that wait`;
          request.report('undue-decision', `${room} requests`, `${others}`, text);
        }
      }
      remove(request);
    },
    ended(request, asked) {
      if (asked && !working.has(request)) checkAdmitted(request);
      remove(request);
    },
    lost() {
      known = false;
      open.clear();
      sure.clear();
      working.clear();
    },
  };
}

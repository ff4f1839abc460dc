import { decisionField } from '../../lib/model/event-line';
import type { Hedge } from '../../lib/model/resilience';
import { guardedAttempt, mayHedge } from '../resilience/guarded-attempt';
import { type Hedged, hedged } from '../resilience/hedge';
import type { CallGuards } from '../resilience/states';
import { leftMs } from '../span';
import { type Attempt, type Call, fieldsOf, notStarted } from './attempt';
import { inTime } from './in-time';
import { makeAttempt, type Side } from './make-attempt';
import type { Instance } from './outgoing';

const NONE: ReadonlySet<string> = new Set();

/** Makes one attempt of the call if its guards let it. */
export function tryGuarded(guards: CallGuards, call: Call, attempt: number, side?: Side): Promise<Attempt> {
  const { instruction, span, caller } = call;
  return guardedAttempt(guards, {
    service: instruction.step.service,
    leftMs: () => leftMs(span),
    make: () => makeAttempt(call, attempt, side),
    reject: (kind, message) => notStarted(call, fieldsOf(call, attempt), kind, message),
    log: (event, more) => void caller.log.event(span.log, event, fieldsOf(call, attempt) + more),
  });
}

/** The first attempt, and a hedge where it takes too long and another instance is known. */
export function tryHedged(guards: CallGuards, { afterMs }: Hedge, call: Call): Promise<Hedged> {
  const { instruction, span, caller } = call;
  let used = NONE;
  const chosen = (instance: Instance): void => {
    used = new Set([instance.name]);
  };
  const second = async (signal: AbortSignal): Promise<Attempt | undefined> => {
    const other = Promise.resolve(caller.discovery.choose(instruction.step.service, used));
    const instance = await inTime(other, leftMs(span), signal);
    if (!instance || signal.aborted || leftMs(span) < 1 || !mayHedge(guards)) return undefined;
    if (guards.budget && !guards.budget.withdraw(performance.now())) return undefined;
    caller.log.event(span.log, 'HEDGE_SENT', fieldsOf(call, 2) + decisionField({ afterMs }));
    return tryGuarded(guards, call, 2, { signal, instance });
  };
  return hedged(afterMs, (signal) => tryGuarded(guards, call, 1, { signal, chosen }), second);
}

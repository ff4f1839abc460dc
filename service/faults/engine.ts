import { faultArgs, faultHappens } from '../../lib/model/decisions';
import { type DrawContext, hashText } from '../../lib/model/draw';
import type { InjectedFault } from '../../lib/model/event';
import { faultField } from '../../lib/model/event-line';
import { facedFaults, needsConnection } from '../../lib/model/faced-faults';
import type { Fault, FaultPosition, FaultRule, FaultSource } from '../../lib/model/fault';
import type { FaultStep } from '../../lib/model/topology';
import type { OutgoingInstruction, Program } from '../program';
import type { Span } from '../span';
import { NOTHING, type Outcome } from '../steps/outcome';
import { type CallFate, type CallTime, UNTOUCHED } from './call-fate';
import { type Args, carryOut, DESTRUCTIVE, grant } from './carry-out';
import type { NodeControls, Scene } from './effects';
import { carryOutOnCall } from './on-call';
import { ruleConditions } from './rule-conditions';

/** Whose fault it is, for its event. */
export interface FaultOrigin {
  readonly id: string;
  readonly source: FaultSource;
  readonly at: FaultPosition;
  /** Among the steps: the step's id. */
  readonly step?: string;
  /** A name for people: a scenario's entry, an itinerary's hop. */
  readonly name?: string;
  /** A lasting effect ends with it: ISO 8601. */
  readonly expiresAt?: string;
}

/** One attempt of a call, before anything is sent. */
export interface FacingCall {
  readonly instruction: OutgoingInstruction;
  readonly span: Span;
  /** At the place of the request that the attempt would send. */
  readonly draws: DrawContext;
  /** From `callPlace` to `callee`, as its other events have them. */
  readonly fields: string;
  readonly time: CallTime;
}

/**
 * Decides which faults strike now, logs each as FAULT_INJECTED before it begins, and carries it out. One a node. It costs
 * nothing where the program has no rules: `Route.faults` and `OutgoingInstruction.faults` are then empty, and nobody asks.
 */
export interface FaultEngine {
  /** Whether a rule waits for the instance's n-th request, which `requestCame` must then hear of. */
  awaiting: boolean;
  requestCame(): void;
  /** The rules at this point of a request; its `failure` is set where a fault or the deadline ended the request. */
  applyFaults(at: 'before' | 'after', span: Span): Promise<Outcome> | Outcome;
  runStep(step: FaultStep, span: Span): Promise<Outcome> | Outcome;
  /** Carries out one fault on a request, without any draw but those of its arguments. */
  runFault(fault: Fault, draws: DrawContext, origin: FaultOrigin, span: Span): Promise<Outcome> | Outcome;
  onCall(call: FacingCall): Promise<CallFate>;
  /** Takes up the rules of a program: begins those of the instance, and ends what rules no longer there have caused. */
  begin(program: Program): void;
  /** Ends all that lasts. */
  stop(): void;
}

export function faultEngine(node: NodeControls, restarts: number): FaultEngine {
  const { log, instance } = node;
  const conditions = ruleConditions(instance);
  /** What lasts, by the id of its rule. */
  const lastingEffects = new Map<string, Set<() => void>>();
  const begun = new Set<string>();
  let timers: NodeJS.Timeout[] = [];
  let current: Program | undefined;
  let requests = 0;
  let stopped = false;

  const sceneOf = ({ id, expiresAt }: FaultOrigin, span: Span | undefined): Scene => ({
    id,
    span,
    node,
    lasting: (durationMs, end) => {
      const effects = lastingEffects.get(id) ?? new Set();
      lastingEffects.set(id, effects);
      const finish = (): void => {
        if (!effects.delete(finish)) return;
        clearTimeout(timer);
        end();
      };
      const until = expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt) - Date.now();
      const timer = setTimeout(finish, Math.max(0, Math.min(durationMs, until)));
      effects.add(finish);
      if (stopped) finish();
    },
  });

  const strike = (fault: Fault, drawn: Args, origin: FaultOrigin, span: Span | undefined, fields: string) => {
    const { type } = fault;
    const args = grant(type, drawn);
    const refused = type === 'crash' && !node.alone ? 'the process serves other nodes too' : undefined;
    const report = injected(type, args, origin, refused);
    if (span) log.event(span.log, 'FAULT_INJECTED', fields + faultField(report));
    else log.processEvent('FAULT_INJECTED', { fault: report });
    if (refused !== undefined) return NOTHING;
    const scene = sceneOf(origin, span);
    if (!DESTRUCTIVE.has(type)) return carryOut(type, args, scene);
    return log.flush().then(() => carryOut(type, args, scene));
  };

  const runFault: FaultEngine['runFault'] = (fault, draws, origin, span) => {
    const fields = origin.step === undefined ? '' : `,"step":${JSON.stringify(origin.step)}`;
    return strike(fault, faultArgs(fault, origin, draws), origin, span, fields);
  };

  const runInTurn = async (rules: readonly FaultRule[], span: Span): Promise<Outcome> => {
    for (const rule of rules) {
      const outcome = await runFault(rule.fault, span.draws, rule, span);
      if (outcome.failure) return outcome;
    }
    return NOTHING;
  };

  /** @param key of the instance's draws: each start of it draws anew */
  const beginRule = (rule: FaultRule, { seed }: Program, key: string): void => {
    if (begun.has(rule.id) || !conditions.hold(rule, requests)) return;
    begun.add(rule.id);
    const draws = { seed, key: hashText(key), place: hashText('instance') };
    if (!faultHappens(rule, draws)) return;
    void strike(rule.fault, faultArgs(rule.fault, rule, draws), rule, undefined, '');
  };

  const beginDue = (): void => {
    if (!current || stopped) return;
    const key = `${instance} ${restarts}`;
    for (const rule of current.instanceFaults) beginRule(rule, current, key);
    engine.awaiting = current.instanceFaults.some(({ id, fromRequest }) => fromRequest !== undefined && !begun.has(id));
  };

  const engine: FaultEngine = {
    awaiting: false,
    requestCame: () => {
      requests += 1;
      beginDue();
    },
    applyFaults: (at, span) => {
      const own = span.route.faults[at];
      const brought = conditions.brought(span, at);
      if (own.length === 0 && brought.length === 0) return NOTHING;
      const struck = [...own, ...brought].filter(
        (rule) =>
          conditions.hold(rule, span.ordinal) &&
          !(span.queued && needsConnection(rule.fault)) &&
          faultHappens(rule, span.draws),
      );
      return struck.length === 0 ? NOTHING : runInTurn(facedFaults(struck), span);
    },
    runStep: ({ id, fault, probability }, span) => {
      const origin: FaultOrigin = { id, source: 'topology', at: 'before', step: id };
      if (!faultHappens({ id, probability, at: 'before' }, span.draws)) return NOTHING;
      if (span.queued && needsConnection(fault)) return NOTHING;
      return runFault(fault, span.draws, origin, span);
    },
    runFault,
    onCall: async ({ instruction, span, draws, fields, time }) => {
      const { step } = instruction;
      const candidates = [...instruction.faults, ...conditions.brought(span, 'call', step)];
      const struck = candidates.filter((rule) => conditions.hold(rule, span.ordinal) && faultHappens(rule, draws));
      let delayMs = 0;
      for (const rule of facedFaults(struck)) {
        const args = faultArgs(rule.fault, rule, draws);
        log.event(span.log, 'FAULT_INJECTED', fields + faultField(injected(rule.fault.type, args, rule)));
        const left = { ...time, leftMs: time.leftMs - delayMs };
        const fate = await carryOutOnCall(rule.fault.type, args, step.service, left);
        delayMs += fate.delayMs;
        if (fate.failure || fate.reset) return { ...fate, delayMs };
      }
      return delayMs > 0 ? { ...UNTOUCHED, delayMs } : UNTOUCHED;
    },
    begin: (program) => {
      current = program;
      for (const timer of timers) clearTimeout(timer);
      timers = [];
      const { faults } = program.slice.service;
      conditions.take(faults);
      const standing = new Set(faults.map(({ id }) => id));
      for (const [id, effects] of lastingEffects) {
        if (standing.has(id) || !conditions.wasRule(id)) continue;
        for (const finish of [...effects]) finish();
      }
      for (const id of begun) if (!standing.has(id)) begun.delete(id);
      for (const { startsAt } of program.instanceFaults) {
        const wait = startsAt === undefined ? 0 : Date.parse(startsAt) - Date.now();
        if (wait > 0 && wait < 2 ** 31) timers.push(setTimeout(beginDue, wait + 1).unref());
      }
      beginDue();
    },
    stop: () => {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
      for (const effects of lastingEffects.values()) for (const finish of [...effects]) finish();
    },
  };
  return engine;
}

function injected(type: Fault['type'], args: Args, origin: FaultOrigin, refused?: string): InjectedFault {
  const { id, source, at, step, name } = origin;
  return {
    id,
    type,
    source,
    at,
    args,
    ...(step !== undefined && { step }),
    ...(name !== undefined && { name }),
    ...(refused !== undefined && { refused }),
  };
}

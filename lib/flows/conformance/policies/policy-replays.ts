import { CLIENT_SERVICE } from '../../../model/contract';
import type { Event } from '../../../model/event';
import { stepsWithin } from '../../../model/resolve';
import type { SlicedService } from '../../../model/slice';
import type { Departure } from '../departure';
import type { LostTails } from '../lost-tails';
import type { ProcessFacts } from '../process-facts';
import type { Described, Topologies } from '../topologies';
import { hasPolicies } from './policy-states';
import { type ProcessOrder, processOrder } from './process-order';
import { type ProcessReplay, processReplay } from './process-replay';
import type { PolicyReport } from './tracked-attempt';

/** Holds what policies decided in each process of a run against the states that its own log proves. */
export interface PolicyReplays {
  /** Takes in any event of a process, of other runs as well: they move the same states. */
  add(event: Event): void;
  finish(processes: ReadonlyMap<string, ProcessFacts>, tails: LostTails): readonly Departure[];
}

interface Replayed {
  readonly order: ProcessOrder;
  readonly replay: ProcessReplay;
  readonly departures: Departure[];
  /** Last number of each run, as the process tells. */
  readonly told: Map<string, number>;
}

/** Processes of services without a policy are left out, and cost nothing. */
export function policyReplays(run: string, topologies: Topologies): PolicyReplays {
  const replays = new Map<string, Replayed>();
  const guarded = new WeakMap<Described, boolean>();

  const isGuarded = (service: string, epoch: number): boolean => {
    const described = topologies.at(service, epoch) ?? topologies.at(service, 0);
    if (!described) return false;
    let known = guarded.get(described);
    if (known === undefined) {
      known = hasPolicies(described.service) || isSentTo(described.service, topologies);
      guarded.set(described, known);
    }
    return known;
  };

  const replayOf = ({ process, service, epoch = 0 }: Event): Replayed | undefined => {
    const known = replays.get(process);
    if (known || service === CLIENT_SERVICE || !isGuarded(service, epoch)) return known;
    const departures: Departure[] = [];
    const replay = processReplay(service, topologies, (event) => reporter(event, run, departures));
    const made = { replay, departures, order: processOrder(run, replay), told: new Map<string, number>() };
    replays.set(process, made);
    return made;
  };

  return {
    add(event) {
      const own = replayOf(event);
      if (!own) return;
      for (const [name, seq] of Object.entries(event.runs ?? {})) {
        own.told.set(name, Math.max(seq, own.told.get(name) ?? 0));
      }
      own.order.add(event);
    },
    finish(processes, tails) {
      const found: Departure[] = [];
      for (const [process, { order, replay, departures, told }] of replays) {
        order.finish();
        replay.finish(stoppingUs(processes.get(process), tails));
        const seen = order.seen();
        // Of other runs the log at hand may hold nothing.
        const whole = [...told].every(([name, seq]) => name === run || (seen.get(name) ?? 0) >= seq);
        if (whole) for (const departure of departures) found.push(departure);
      }
      return found;
    },
  };
}

function reporter(event: Event, run: string, all: Departure[]): PolicyReport {
  const { service } = event;
  const [traceId, span] = [event.traceId ?? null, event.requestId ?? null];
  return (kind, expected, actual, message, step) => {
    if (event.run !== run) return;
    all.push({ kind, traceId, span, service, step: step ?? null, expected, actual, message });
  };
}

/** Since when the process turned `send`s away as it stopped; null: it never stopped; undefined: nobody knows. */
function stoppingUs(facts: ProcessFacts | undefined, tails: LostTails): number | null | undefined {
  if (!facts) return undefined;
  if (!facts.down) return tails.ofProcess(facts.process) ? undefined : null;
  const told = facts.down.detail?.stoppingUs;
  return typeof told === 'number' ? told : undefined;
}

function isSentTo({ name, callers }: SlicedService, topologies: Topologies): boolean {
  return callers.some((caller) => {
    const endpoints = topologies.at(caller, 0)?.service.endpoints ?? {};
    return Object.values(endpoints).some(({ steps }) =>
      [...stepsWithin(steps)].some((step) => step.kind === 'send' && step.service === name),
    );
  });
}

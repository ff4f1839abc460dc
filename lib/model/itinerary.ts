import { LIMITS } from './contract';
import type { Fault } from './fault';
import { parseFault } from './parse-fault';
import { isObject, orList, show } from './shape';
import { type Fault as Mistake, UserError } from './user-error';

/** One stop of an itinerary, ready to be carried out: faults, the stops after it in their order, faults. */
export interface Itinerary {
  readonly service: string;
  readonly before: readonly Fault[];
  readonly after: readonly Fault[];
  readonly routes: readonly ItineraryRoute[];
}

export interface ItineraryRoute {
  readonly service: string;
  /** From 0 to 1. */
  readonly probability: number;
  /** The stop as it was written, which is what is sent on. */
  readonly payload: object;
}

/** The callees of every service. */
export type CallGraph = Readonly<Record<string, readonly string[]>>;

const KEYS = ['designation', 'faults', 'payload', 'routes', 'probability'];

/**
 * Reads an itinerary as a service receives it, whole: every hop must be a call that the topology declares, and every fault
 * one that may stand before or after work.
 *
 * `{ designation, faults?: { before?, after? }, payload?: <stop> | null, routes?: [<stop>, ...], probability? }`:
 * `payload` comes first, then `routes` in order; `probability` is in percent. A designation is a service's name or a URL
 * whose host's first label is one; of any other host (localhost, an address) the first means the service that receives it,
 * and a later one the only service that the one before calls.
 *
 * @param receiver name of the service that it reached
 * @throws UserError with every mistake in it
 */
export function parseItinerary(value: unknown, receiver: string, graph: CallGraph): Itinerary {
  const mistakes: Mistake[] = [];
  const report = (where: string, problem: string, remedy: string): void => {
    // A body of a megabyte can hold very many.
    if (mistakes.length < 20) mistakes.push({ where, problem, remedy });
  };
  let hops = 0;

  const faultsOf = (list: unknown, where: string): readonly Fault[] => {
    if (list === undefined || list === null) return [];
    if (!Array.isArray(list)) {
      report(where, `${show(list)} is no list`, 'give a list of { type, args }');
      return [];
    }
    if (list.length > MOST_FAULTS) {
      report(where, `there are ${list.length} faults`, `give at most ${MOST_FAULTS}`);
      return [];
    }
    return list.flatMap((fault, index) => {
      try {
        return [parseFault(fault, `${where}[${index}]`, ['before', 'after'])];
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        for (const each of error.faults) report(each.where, each.problem, each.remedy);
        return [];
      }
    });
  };

  const serviceOf = (designation: unknown, from: string | undefined, where: string): string | undefined => {
    if (typeof designation !== 'string' || designation === '') {
      report(where, `${show(designation)} names no service`, 'give the name of a service, or a URL');
      return undefined;
    }
    const label = hostOf(designation).split('.')[0] ?? '';
    const isName = Object.hasOwn(graph, label);
    if (from === undefined) {
      if (!isName || label === receiver) return receiver;
      report(where, `${show(designation)} is not ${receiver}, which received it`, `send it to ${label}`);
      return undefined;
    }
    // What comes before it has a mistake already.
    if (from === UNKNOWN) return undefined;
    const callees = graph[from] ?? [];
    const may = callees.length === 0 ? `${from} calls nobody` : `use ${orList(callees)}`;
    if (isName) {
      if (callees.includes(label)) return label;
      report(where, `the topology declares no call from ${from} to ${label}`, may);
      return undefined;
    }
    if (!isAnyHost(designation)) {
      report(where, `there is no service ${show(designation)}`, may);
      return undefined;
    }
    const [only] = callees;
    if (only !== undefined && callees.length === 1) return only;
    report(where, `${show(designation)} could be any callee of ${from}`, may);
    return undefined;
  };

  const stop = (given: unknown, from: string | undefined, where: string, depth: number): Itinerary | undefined => {
    hops += 1;
    if (depth > LIMITS.itineraryDepth || hops > LIMITS.itineraryHops) {
      const most = `at most ${LIMITS.itineraryHops} hops, ${LIMITS.itineraryDepth} deep`;
      report(where, 'the itinerary is too long', `give ${most}`);
      return undefined;
    }
    if (!isObject(given)) {
      report(where, `${show(given)} is no stop`, 'give { designation, faults: { before, after }, payload }');
      return undefined;
    }
    for (const key of Object.keys(given))
      if (!KEYS.includes(key)) report(at(where, key), 'unknown key', `use ${orList(KEYS)}`);
    const { designation, faults, payload, routes } = given;
    const service = serviceOf(designation, from, at(where, 'designation'));
    if (faults !== undefined && faults !== null && !isObject(faults)) {
      report(at(where, 'faults'), `${show(faults)} is no object`, 'give { before: [...], after: [...] }');
    }
    const { before, after, ...others } = isObject(faults) ? faults : {};
    for (const key of Object.keys(others)) report(at(where, `faults.${key}`), 'unknown key', 'use before or after');
    const chance = probabilityOf(given.probability, at(where, 'probability'), report);
    if (from === undefined && chance !== 1) {
      report(at(where, 'probability'), 'the first stop is there already', 'leave it out');
    }
    const next: (readonly [unknown, string])[] = [];
    if (payload !== undefined && payload !== null) next.push([payload, at(where, 'payload')]);
    if (routes !== undefined && routes !== null && !Array.isArray(routes)) {
      report(at(where, 'routes'), `${show(routes)} is no list`, 'give a list of stops');
    } else for (const [index, route] of (routes ?? []).entries()) next.push([route, at(where, `routes[${index}]`)]);
    const inner = next.flatMap(([each, place]): readonly ItineraryRoute[] => {
      if (hops > LIMITS.itineraryHops) return [];
      const known = stop(each, service ?? UNKNOWN, place, depth + 1);
      if (!known) return [];
      const written = each as { readonly probability?: number };
      const { probability = 100, ...payloadOf } = written;
      return [{ service: known.service, probability: probability / 100, payload: payloadOf }];
    });
    const own = {
      before: faultsOf(before, at(where, 'faults.before')),
      after: faultsOf(after, at(where, 'faults.after')),
    };
    return service === undefined ? undefined : { service, ...own, routes: inner };
  };

  const whole = stop(value, undefined, '', 1);
  if (mistakes.length > 0 || !whole) throw new UserError(mistakes);
  return whole;
}

/** No service's name. */
const UNKNOWN = '';
/** On one side of one stop. */
const MOST_FAULTS = 64;

function probabilityOf(
  value: unknown,
  where: string,
  report: (where: string, problem: string, remedy: string) => void,
) {
  if (value === undefined) return 1;
  if (typeof value === 'number' && value >= 0 && value <= 100) return value / 100;
  report(where, `${show(value)} is no share`, 'give percent: a number from 0 to 100');
  return 1;
}

function at(where: string, key: string): string {
  return where === '' ? key : `${where}.${key}`;
}

function hostOf(designation: string): string {
  return isUrl(designation) ? new URL(designation).hostname : designation;
}

/** A host that says nothing of services: of a URL, localhost, or an address. */
function isAnyHost(designation: string): boolean {
  return isUrl(designation) && /^(localhost|[\d.]+|\[[0-9a-f:.]+\])$/i.test(new URL(designation).hostname);
}

function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

import { formatHash, type Hash, hashText, rootPlace } from '../lib/model/draw';
import { quote } from '../lib/model/event-line';
import { rulesOfCall } from '../lib/model/faced-faults';
import type { FaultRule } from '../lib/model/fault';
import { hashValue, type Slice } from '../lib/model/slice';
import type { Endpoint, FaultStep, OneOfStep, Outgoing, Step, WorkStep } from '../lib/model/topology';
import type { Limiter } from './resilience/limiter';
import { type CallGuards, guardsOf, type PolicyStates, policyStates } from './resilience/states';

/** The port that a request came in by. */
export type Via = 'edge' | 'mesh';

/**
 * A slice made ready to run: whatever can be worked out before the first request. A node holds one of these in one
 * place; a request keeps the one it began with.
 */
export interface Program {
  readonly slice: Slice;
  readonly sliceHash: string;
  readonly seed: Hash;
  /** Paths without parameters first, else in the order written: the first that fits takes the request. */
  readonly routes: readonly Route[];
  /** Rules that strike the instance itself. */
  readonly instanceFaults: readonly FaultRule[];
  readonly states: PolicyStates;
}

export interface Route {
  readonly endpoint: Endpoint;
  /** Fit the whole path, at the edge port with the prefix of the service; each parameter is any one segment. */
  readonly patterns: Readonly<Record<Via, RegExp>>;
  /** Place of a request that comes without one. */
  readonly root: Hash;
  readonly rootText: string;
  readonly steps: readonly Instruction[];
  /** Whether its answers have a `responses` list. */
  readonly calls: boolean;
  /** Rules that may strike its requests on this instance. */
  readonly faults: { readonly before: readonly FaultRule[]; readonly after: readonly FaultRule[] };
  /** Requests handled since the process started, whatever was changed since. */
  readonly handled: { count: number };
  /** Undefined where any number of its requests may be worked on at once. */
  readonly limiter: Limiter | undefined;
}

/** A step with its hashes and its part of the log lines. */
export type Instruction =
  | OutgoingInstruction
  | { readonly kind: 'parallel' | 'sequence'; readonly steps: readonly Instruction[] }
  | { readonly kind: 'oneOf'; readonly step: OneOfStep; readonly branches: readonly (readonly Instruction[])[] }
  | { readonly kind: 'work'; readonly step: WorkStep }
  | { readonly kind: 'fault'; readonly step: FaultStep };

export interface OutgoingInstruction {
  readonly kind: 'call' | 'send';
  readonly step: Outgoing;
  readonly idHash: Hash;
  readonly stepField: string;
  readonly calleeField: string;
  /** Faults that may strike its attempts on this instance: its own, then those of rules. */
  readonly faults: readonly FaultRule[];
  /** Undefined where it states no policy. */
  readonly guards: CallGuards | undefined;
  /** What is sent in the place of filler. */
  readonly message?: { readonly body: Buffer; readonly headers: Readonly<Record<string, string>> };
}

/** Requests handled, by the endpoint's key: outlives a change of the program. */
export type Handled = Map<string, { count: number }>;

/** @param before the program whose place it takes */
export function compile(slice: Slice, instance: string, handled: Handled, before?: Program): Program {
  const states = policyStates(before?.states);
  const { concurrency } = slice.service;
  const seed = hashText(slice.seed);
  const endpoints = Object.values(slice.service.endpoints);
  const isFixed = ({ path }: Endpoint) => !path.includes('/:');
  const ordered = [...endpoints.filter(isFixed), ...endpoints.filter((endpoint) => !isFixed(endpoint))];
  return {
    slice,
    sliceHash: hashValue(slice),
    seed,
    routes: ordered.map((endpoint) => {
      const root = rootPlace(seed, slice.service.name, endpoint.key);
      const rules = slice.service.faults.filter(
        ({ instances, endpoint: key }) =>
          (!instances || instances.includes(instance)) && (key === undefined || key === endpoint.key),
      );
      const callRules = rules.filter(({ at }) => at === 'call');
      const steps = endpoint.steps.map((step) => instruction(step, endpoint.key, callRules, states));
      const counter = handled.get(endpoint.key) ?? { count: 0 };
      handled.set(endpoint.key, counter);
      const patterns = { mesh: pathPattern(endpoint.path, ''), edge: pathPattern(endpoint.path, slice.edgePrefix) };
      return {
        endpoint,
        patterns,
        root,
        rootText: formatHash(root),
        steps,
        calls: steps.some(hasCall),
        faults: { before: rules.filter(({ at }) => at === 'before'), after: rules.filter(({ at }) => at === 'after') },
        handled: counter,
        limiter: endpoint.concurrency
          ? states.limiters.of(endpoint.key, endpoint.concurrency)
          : concurrency && states.limiters.of('', concurrency),
      };
    }),
    states,
    instanceFaults: slice.service.faults.filter(
      ({ at, instances }) => at === 'instance' && (!instances || instances.includes(instance)),
    ),
  };
}

function pathPattern(path: string, prefix: string): RegExp {
  if (prefix !== '' && path === '/') return new RegExp(`^${prefix}/?$`);
  const escaped = `${prefix}${path}`.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll(/:[A-Za-z0-9_]+/g, '[^/]+')}$`);
}

/** @param rules those of the endpoint that strike calls */
function instruction(step: Step, endpoint: string, rules: readonly FaultRule[], states: PolicyStates): Instruction {
  const inner = (each: Step): Instruction => instruction(each, endpoint, rules, states);
  switch (step.kind) {
    case 'call':
    case 'send':
      return {
        kind: step.kind,
        step,
        idHash: hashText(step.id),
        stepField: `,"step":${quote(step.id)}`,
        calleeField: `,"callee":${quote(`${step.service} ${step.endpoint}`)}`,
        faults: rulesOfCall(step, endpoint, rules),
        guards: guardsOf(step, states),
      };
    case 'parallel':
    case 'sequence':
      return { kind: step.kind, steps: step.steps.map(inner) };
    case 'oneOf':
      return { kind: 'oneOf', step, branches: step.branches.map(({ steps }) => steps.map(inner)) };
    case 'work':
      return { kind: 'work', step };
    case 'fault':
      return { kind: 'fault', step };
  }
}

function hasCall(step: Instruction): boolean {
  switch (step.kind) {
    case 'call':
      return true;
    case 'parallel':
    case 'sequence':
      return step.steps.some(hasCall);
    case 'oneOf':
      return step.branches.some((branch) => branch.some(hasCall));
    case 'send':
    case 'work':
    case 'fault':
      return false;
  }
}

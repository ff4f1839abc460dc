import { type CallFault, FAULT_ARGUMENTS, type Fault, type FaultRule, type FaultSource, type FaultType } from './fault';
import type { CallFaultSpec, EndpointFaultSpec, FaultRuleSpec } from './spec';

/** A fault with its defaults filled in. Expects a type and arguments that validation finds no fault with. */
export function resolveFault(type: FaultType, args: object = {}): Fault {
  const filled: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries(FAULT_ARGUMENTS[type])) {
    const value = (args as Readonly<Record<string, unknown>>)[name] ?? ('default' in rule ? rule.default : undefined);
    if (value !== undefined) filled[name] = value;
  }
  // A signal ends the process before it could have an exit code.
  if (filled.signal !== undefined) delete filled.exitCode;
  return { type, args: filled } as unknown as Fault;
}

export function resolveCallFaults(stepId: string, faults: readonly CallFaultSpec[]): readonly CallFault[] {
  const count = counter();
  return faults.map(({ type, args, probability = 1, id }) => ({
    id: id ?? count(`${stepId} ${type}`),
    fault: resolveFault(type, args),
    probability,
  }));
}

interface WrittenFaults {
  readonly faults?: readonly FaultRuleSpec[];
  readonly endpoints?: Readonly<Record<string, unknown>>;
}

/** The rules of a service, and those of its endpoints. */
export function resolveFaultRules({ faults = [], endpoints = {} }: WrittenFaults): readonly FaultRule[] {
  const count = counter();
  const identified = (rule: FaultRuleSpec): FaultRule =>
    resolveFaultRule(rule, 'topology', () =>
      count([rule.at, rule.type, rule.callee, rule.endpoint].filter((part) => part !== undefined).join(' ')),
    );
  const own = faults.map(identified);
  const ofEndpoints = Object.entries(endpoints).flatMap(([endpoint, spec]) => {
    const { faults: written = [] } = spec as { readonly faults?: readonly EndpointFaultSpec[] };
    return written.map((rule) => identified({ ...rule, endpoint }));
  });
  return [...own, ...ofEndpoints];
}

/** What a rule may say of itself beside its fault; what it leaves out stays out. */
const FIELDS = [
  'endpoint',
  'callee',
  'probability',
  'fromRequest',
  'forMs',
  'instances',
  'startsAt',
  'expiresAt',
  'priority',
] as const satisfies readonly (keyof FaultRule)[];

export type WrittenRule = FaultRuleSpec & Pick<FaultRule, 'startsAt' | 'expiresAt'>;

export function resolveFaultRule(rule: WrittenRule, source: FaultSource, newId: () => string): FaultRule {
  const { type, args, at, id } = rule;
  const rest = FIELDS.filter((name) => rule[name] !== undefined).map((name) => [name, rule[name]]);
  return { id: id ?? newId(), fault: resolveFault(type, args), at, source, ...Object.fromEntries(rest) };
}

/** Names equal texts apart: `#1`, `#2`. An id as written holds no `#`. */
function counter(): (text: string) => string {
  const counts = new Map<string, number>();
  return (text) => {
    const count = (counts.get(text) ?? 0) + 1;
    counts.set(text, count);
    return `${text}#${count}`;
  };
}

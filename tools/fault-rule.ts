import { parseDuration } from '../lib/load/duration';
import { serviceOf } from '../lib/model/edit-topology';
import {
  FAULT_ARGUMENTS,
  FAULT_POSITIONS,
  type FaultPosition,
  type FaultRule,
  type FaultType,
} from '../lib/model/fault';
import { parseFaultRule } from '../lib/model/parse-fault';
import type { Topology } from '../lib/model/topology';
import { collectFaults, type Fault, UserError } from '../lib/model/user-error';
import { ruleTargets } from '../lib/model/validate-faults';

/** A rule as the options of `fault add` say it. */
export interface RuleOptions {
  readonly service: string;
  readonly type: string;
  readonly arg?: readonly string[];
  readonly at?: string;
  readonly endpoint?: string;
  readonly callee?: string;
  readonly instance?: readonly string[];
  readonly probability?: string;
  readonly fromRequest?: string;
  readonly priority?: string;
  readonly for: string;
  readonly id?: string;
}

const LONGEST_MS = 3_600_000;

/**
 * Reads the options, then makes the rule for the topology that it is to stand in, whose names it must fit.
 *
 * @param now milliseconds since 1970: the rule ends so much later as `--for` says
 * @throws UserError with every mistake in it
 */
export function liveRule(options: RuleOptions, now: number): (topology: Topology) => FaultRule {
  const mistakes: Fault[] = [];
  const collected = <T>(read: () => T): T | undefined => collectFaults(mistakes, read);
  const forMs = collected(() => parseDuration(options.for, '--for')) ?? LONGEST_MS;
  if (forMs > LONGEST_MS) {
    mistakes.push({ where: '--for', problem: `${options.for} is too long`, remedy: 'give at most 1h' });
  }
  const number = (text: string | undefined, where: string): number | undefined => {
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value)) return value;
    mistakes.push({ where, problem: `${text} is no number`, remedy: 'give one' });
    return undefined;
  };
  const args = Object.fromEntries((options.arg ?? []).map((text) => argument(text, mistakes)));
  const { endpoint, callee, instance } = options;
  const written = {
    type: options.type,
    at: options.at ?? bestPosition(options),
    args,
    ...(endpoint !== undefined && { endpoint }),
    ...(callee !== undefined && { callee }),
    ...(instance !== undefined && { instances: instance }),
    ...present('probability', number(options.probability, '--probability')),
    ...present('fromRequest', number(options.fromRequest, '--from-request')),
    ...present('priority', number(options.priority, '--priority')),
    ...(options.id !== undefined && { id: options.id }),
    expiresAt: new Date(now + forMs).toISOString(),
  };
  if (mistakes.length > 0) {
    collected(() => parseFaultRule(written, options.service, { source: 'live', newId: () => 'new' }));
    throw new UserError(mistakes);
  }
  return (topology) => {
    const service = serviceOf(topology, options.service);
    const newId = (): string => {
      const taken = new Set(service.faults.map(({ id }) => id));
      for (let n = 1; ; n++) if (!taken.has(`live-${options.type}-${n}`)) return `live-${options.type}-${n}`;
    };
    return parseFaultRule(written, options.service, { source: 'live', newId, targets: ruleTargets(service) });
  };
}

/** `delay=300`, `delay={"uniform":[1,2]}`, `signal=SIGKILL` */
function argument(text: string, mistakes: Fault[]): readonly [string, unknown] {
  const equals = text.indexOf('=');
  if (equals < 1) mistakes.push({ where: '--arg', problem: `${text} has no value`, remedy: 'write name=value' });
  const [name, value] = [text.slice(0, equals), text.slice(equals + 1)];
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}

/** Calls where a callee is named; what can strike the instance itself does, unless it is for one endpoint. */
function bestPosition({ type, callee, endpoint }: RuleOptions): FaultPosition {
  if (callee !== undefined) return 'call';
  const may = Object.hasOwn(FAULT_ARGUMENTS, type) ? FAULT_POSITIONS[type as FaultType] : [];
  if (endpoint === undefined && may.includes('instance')) return 'instance';
  return may.includes('before') || may.length === 0 ? 'before' : 'call';
}

function present(name: string, value: number | undefined): Readonly<Record<string, number>> {
  return value === undefined ? {} : { [name]: value };
}

import type { ChangeReport } from '../lib/local/give-slices';
import type { ControlState } from '../lib/model/control-state';
import type { FaultRule } from '../lib/model/fault';

/** What `list` knows of one instance. */
export interface InstanceState {
  readonly instance: string;
  readonly service: string;
  readonly state?: ControlState;
  /** Why it has no state. */
  readonly problem?: string;
}

export function changeText(report: ChangeReport): string {
  const taken = report.instances.filter((outcome) => outcome.taken);
  const missed = report.instances.filter((outcome) => !outcome.taken);
  const services = Object.keys(report.slices).join(', ');
  const lines = [`epoch ${report.epoch}: ${report.by}`];
  const all = taken.length === 1 ? 'its instance' : `all ${taken.length} instances`;
  if (missed.length === 0) lines.push(`  ${services}: ${all} took it`);
  else {
    lines.push(`  ${services}: ${taken.length} of ${report.instances.length} instances took it`);
    for (const { instance, problem } of missed) lines.push(`  ${instance} did not: ${problem}`);
    if (taken.length > 0) lines.push('  An instance that starts again takes it then.');
  }
  return `${lines.join('\n')}\n`;
}

/** Rules by service, each with how long it still strikes; then instances that differ or do not answer. */
export function stateText(states: readonly InstanceState[]): string {
  const lines: string[] = [];
  for (const service of new Set(states.map((each) => each.service))) {
    const own = states.filter((each) => each.service === service);
    const known = own.flatMap(({ state }) => (state ? [state] : []));
    const epochs = [...new Set(known.map(({ epoch }) => epoch))];
    const rules = new Map(known.flatMap((state) => state.rules.map((rule) => [rule.id, rule] as const)));
    const quiet = rules.size === 0 && epochs.length <= 1 && known.length === own.length;
    if (quiet && (epochs[0] ?? 0) === 0) continue;
    lines.push(`${service} (epoch ${epochs.join(', ') || 'unknown'})`);
    for (const rule of rules.values()) {
      const having = known.filter((state) => state.rules.some(({ id }) => id === rule.id)).length;
      const some = having < own.length ? `, on ${having} of ${own.length} instances` : '';
      lines.push(`  ${rule.id}: ${ruleText(rule)}${leftText(rule.leftMs)}${some}`);
    }
    if (epochs.length > 1) for (const { instance, epoch } of known) lines.push(`  ${instance} is at epoch ${epoch}`);
    for (const { instance, problem } of own) if (problem !== undefined) lines.push(`  ${instance}: ${problem}`);
  }
  if (lines.length === 0) lines.push('no faults, and nothing was changed since the start');
  return `${lines.join('\n')}\n`;
}

/** `latency delay=300 before GET /products/:id, 20 %` */
export function ruleText({
  fault,
  at,
  endpoint,
  callee,
  probability,
  fromRequest,
  instances,
  source,
}: FaultRule): string {
  const args = Object.entries(fault.args).map(
    ([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  const where =
    at === 'call'
      ? `on calls${callee === undefined ? '' : ` to ${callee}`}`
      : at === 'instance'
        ? 'on the instance'
        : at;
  const parts = [
    [fault.type, ...args, where, ...(endpoint === undefined ? [] : [at === 'call' ? `of ${endpoint}` : endpoint])].join(
      ' ',
    ),
    ...(probability === undefined || probability === 1 ? [] : [`${Number((probability * 100).toPrecision(4))} %`]),
    ...(fromRequest === undefined ? [] : [`from request ${fromRequest}`]),
    ...(instances === undefined ? [] : [instances.join(' and ')]),
    ...(source === 'live' ? [] : [`from the ${source}`]),
  ];
  return parts.join(', ');
}

function leftText(leftMs: number | undefined): string {
  if (leftMs === undefined) return '';
  return leftMs === 0 ? ', over' : `, ${Math.ceil(leftMs / 1000)} s left`;
}

import type { Flow } from '../flow';
import { decisionText } from './decision-text';
import { type FlowStep, flowSteps } from './flow-steps';

/**
 * What ShiViz (https://bestchai.bitbucket.io/shiviz/, input format under "Help") needs to read the log. Each flow is an
 * execution of its own.
 */
export const SHIVIZ_EVENT_PATTERN = String.raw`(?<host>\S+) (?<clock>\{.*\})\n(?<event>.*)`;
export const SHIVIZ_EXECUTION_PATTERN = '^=== (?<trace>.*) ===$';

/**
 * A ShiViz log: an event in two lines, its host and vector clock, and what happened. Clocks are true vector clocks over the
 * flow: one more with each step of an instance, and at a receipt the larger of both sides' (C. Fidge 1988; F. Mattern 1989).
 */
export function* shiviz(flows: Iterable<Flow>): Generator<string> {
  for (const flow of flows) {
    yield `=== ${flow.traceId} ${flow.startTime} ===\n`;
    const clocks = new Map<string, VectorClock>();
    const seen = new Map<FlowStep, VectorClock>();
    for (const step of flowSteps(flow)) {
      const { instance, after } = step;
      const clock = { ...clocks.get(instance) };
      for (const [host, ticks] of Object.entries((after && seen.get(after)) ?? {})) {
        clock[host] = Math.max(clock[host] ?? 0, ticks);
      }
      clock[instance] = (clock[instance] ?? 0) + 1;
      clocks.set(instance, clock);
      seen.set(step, clock);
      yield `${hostName(instance)} ${clockText(clock)}\n${describe(step)}\n`;
    }
  }
}

export type VectorClock = Record<string, number>;

function clockText(clock: VectorClock): string {
  return JSON.stringify(Object.fromEntries(Object.entries(clock).map(([host, ticks]) => [hostName(host), ticks])));
}

/** The pattern ends a host at the first blank. */
function hostName(instance: string): string {
  return instance.replaceAll(/\s/g, '_') || '?';
}

function describe(step: FlowStep): string {
  const { kind, peer, span, call, atMs, fault, decision } = step;
  const time = `+${atMs.toFixed(3)} ms`;
  return oneLine(`${textOf()} ${time}`);

  function textOf(): string {
    switch (kind) {
      case 'send':
        return `REQUEST_SENT to ${peer}: ${call?.callee ?? '?'}${(call?.attempt ?? 1) > 1 ? `, attempt ${call?.attempt}` : ''}`;
      case 'answered':
        return `RESPONSE_RECEIVED from ${peer}: ${call?.status}`;
      case 'failed':
        return `ERROR calling ${peer}: ${call?.error?.kind ?? '?'} ${call?.error?.message ?? ''}`;
      case 'receive':
      case 'work':
        return `REQUEST_RECEIVED ${span?.endpoint ?? '?'}${kind === 'work' ? ' (queued)' : ''}${inferred()}`;
      case 'answer':
        return `RESPONSE_SENT ${span?.status ?? '?'}${inferred()}`;
      case 'done':
        return `RESULT_PRODUCED ${span?.status ?? '?'}${inferred()}`;
      case 'fault':
        return `FAULT_INJECTED ${JSON.stringify(fault)}`;
      case 'decision':
        return decision ? decisionText(decision) : '?';
      default:
        return kind satisfies never;
    }
  }

  function inferred(): string {
    return span?.inferred ? ' (inferred)' : '';
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n\u2028\u2029]+/g, ' ').trimEnd();
}

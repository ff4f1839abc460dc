import type { FaultRule } from './fault';
import { parseFaultRule } from './parse-fault';
import { isObject, show } from './shape';
import { signToken, type TokenFault, tokenExpiry, tokenFault } from './token';
import { type Fault as Mistake, UserError } from './user-error';

/** A fault that a request brings along for a service which its flow visits. */
export interface OverlayRule extends FaultRule {
  readonly service: string;
}

const MOST_RULES = 64;
/** Leaves room in W3C baggage for what else is there. */
const MOST_CHARACTERS = 6_000;

/**
 * Faults for the flow of one request: a list of rules as a running node takes them, each with the `service` that it is for
 * and, on calls, perhaps `nth`: it strikes only the n-th attempt of a fitting call that a request makes, from 1.
 *
 * @throws UserError with every mistake in it
 */
export function parseOverlay(value: unknown): readonly OverlayRule[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST_RULES) {
    const remedy = `give a list of 1 to ${MOST_RULES}: [{ service, type, args, at }]`;
    throw new UserError({ where: 'overlay', problem: `${show(value)} is no list of rules`, remedy });
  }
  const mistakes: Mistake[] = [];
  const rules = value.flatMap((entry: unknown, index): readonly OverlayRule[] => {
    const where = `overlay[${index}]`;
    if (!isObject(entry)) {
      mistakes.push({ where, problem: `${show(entry)} is no rule`, remedy: 'give { service, type, args, at }' });
      return [];
    }
    const { service, nth, ...written } = entry;
    if (typeof service !== 'string' || !/^[a-z][a-z0-9-]{0,62}$/.test(service)) {
      mistakes.push({ where: `${where}.service`, problem: `${show(service)} names no service`, remedy: 'give a name' });
    }
    if (nth !== undefined && (written.at !== 'call' || !Number.isInteger(nth) || Number(nth) < 1)) {
      mistakes.push({
        where: `${where}.nth`,
        problem: `${show(nth)} counts no call`,
        remedy: 'give a whole number from 1, with at: "call"',
      });
    }
    if (written.at === 'instance') {
      mistakes.push({
        where: `${where}.at`,
        problem: 'a request brings no fault to an instance',
        remedy: 'use before, after or call',
      });
    }
    try {
      const rule = parseFaultRule(written, where, { source: 'overlay', newId: () => `overlay-${index + 1}` });
      return [{ ...rule, service: service as string, ...(nth !== undefined && { nth: Number(nth) }) }];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      mistakes.push(...error.faults);
      return [];
    }
  });
  if (mistakes.length > 0) throw new UserError(mistakes);
  return rules;
}

/**
 * The value of the baggage member: base64url of the rules' JSON, then a token for that text.
 *
 * @param written as `parseOverlay` takes it
 * @throws UserError where it has a mistake, or is too long for a header
 */
export function signOverlay(written: unknown, key: string, topology: string, expiresAt: number): string {
  parseOverlay(written);
  const body = Buffer.from(JSON.stringify(written)).toString('base64url');
  if (body.length > MOST_CHARACTERS) {
    const problem = `it takes ${body.length} characters of a header`;
    throw new UserError({ where: 'overlay', problem, remedy: `keep it below ${MOST_CHARACTERS}` });
  }
  return `${body}.${signToken(key, { purpose: 'overlay', topology, body }, expiresAt)}`;
}

export type OpenedOverlay =
  | { readonly rules: readonly OverlayRule[]; readonly expiresAt: number }
  | { readonly refused: TokenFault }
  | { readonly mistake: string };

/** Verifies and reads the value of the baggage member. Never throws. */
export function openOverlay(text: string, key: string, topology: string, now: number): OpenedOverlay {
  const [, body = '', token = ''] = /^([A-Za-z0-9_-]+)\.(.+)$/.exec(text) ?? [];
  const refused = tokenFault(token, key, { purpose: 'overlay', topology, body }, now);
  if (refused) return { refused };
  try {
    const rules = parseOverlay(JSON.parse(Buffer.from(body, 'base64url').toString('utf8')));
    return { rules, expiresAt: tokenExpiry(token) as number };
  } catch (error) {
    return { mistake: (error as Error).message.split('\n')[0] ?? '' };
  }
}

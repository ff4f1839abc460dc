import { faultArgs, faultHappens } from '../../../model/decisions';
import type { DrawContext } from '../../../model/draw';
import type { Event, InjectedFault } from '../../../model/event';
import { decides, needsConnection } from '../../../model/faced-faults';
import type { FaultRule } from '../../../model/fault';
import type { DepartureKind } from '../departure';
import type { SpanRecord } from '../span-record';
import type { Rank } from './attempt-rank';

/** How a fault ended a request: with a status, or without an answer. */
export type FaultEnd = { readonly status: number } | 'dropped';

/** What the faults at one point came to. */
export interface FacedPoint {
  /** The fault that decided, as logged. */
  readonly deciding: InjectedFault | undefined;
  readonly end: FaultEnd | undefined;
  /** One that should have struck did not, because time had run out. */
  readonly cut: boolean;
  /** What they took at the least. */
  readonly delayMs: number;
  readonly seqs: readonly [first: number, last: number] | null;
}

export interface FaultPoint {
  /** Rules that could strike here, in the order in which the node holds them. */
  readonly candidates: readonly FaultRule[];
  /** FAULT_INJECTED events logged for this point. */
  readonly logged: readonly Event[];
  readonly draws: DrawContext;
  readonly span: SpanRecord;
  /** Whether the rules that the flow brought along are among the candidates; else their faults are taken as logged. */
  readonly overlayKnown: boolean;
  /** The span's times are not those by which the node judged when rules begin and end. */
  readonly clockMoved: boolean;
  /** What is missing proves nothing: part of the log is lost, or it is not known whether this point was reached. */
  readonly uncertain: boolean;
  readonly outOfTime: boolean;
  /** On a call: which of the attempts that a rule counts this one is. */
  readonly rank?: (rule: FaultRule) => Rank;
  /** The step concerned. */
  readonly step: string | null;
  /** How messages call the point: `before its work`. */
  readonly where: string;
  readonly report: (kind: DepartureKind, step: string | null, expected: string, actual: string, text: string) => void;
}

/** Whether a rule must have struck, may have, or can't. */
type Chance = 'must' | 'may' | 'never';

/**
 * Holds what was logged at one point of a request against the rules. A draw decides alone where a rule has no other
 * condition. From the n-th request on, or for a while from then: nobody outside the process counts those, so that either is
 * taken as logged. A window of the wall clock is certain where the whole request lies within it or outside of it.
 */
export function checkFaults(point: FaultPoint): FacedPoint {
  const { candidates, logged, draws, span, uncertain, outOfTime, step, where, report } = point;
  const { service } = span;
  const isGiven = ({ source }: InjectedFault): boolean => source === 'overlay' && !point.overlayKnown;
  const ruleOf = (fault: InjectedFault): FaultRule | undefined =>
    candidates.find(({ id, source }) => id === fault.id && source === fault.source);
  const chances = candidates.map((rule) => chanceOf(rule, point));
  const struck = new Set<FaultRule>();
  let deciding: InjectedFault | undefined;
  let delayMs = 0;

  for (const { fault } of logged) {
    if (!fault) continue;
    if (deciding) {
      const text = `${fault.id} struck at ${service} ${where} after ${deciding.id} had decided`;
      report('extra-fault', step, 'no further fault', fault.id, text);
    }
    if (decidesLogged(fault)) deciding = fault;
    if (fault.type === 'latency') delayMs += Number(fault.args.delay);
    if (isGiven(fault)) continue;
    const rule = ruleOf(fault);
    if (!rule || chances[candidates.indexOf(rule)] === 'never' || struck.has(rule)) {
      const why = rule ? (struck.has(rule) ? 'struck twice' : 'was drawn or set against it') : 'stands in no rule';
      report('extra-fault', step, 'no such fault', fault.id, `${fault.id} at ${service} ${where}: it ${why}`);
      continue;
    }
    struck.add(rule);
    const expected = faultArgs(rule.fault, rule, draws);
    if (fault.type !== rule.fault.type || !agree(expected, fault)) {
      const text = `${fault.id} at ${service} ${where} was not carried out as its rule says`;
      const [should, did] = [
        { type: rule.fault.type, args: expected },
        { type: fault.type, args: fault.args },
      ];
      report('wrong-fault', step, JSON.stringify(should), JSON.stringify(did), text);
    }
  }

  let cut = false;
  const missing = (rule: FaultRule): void => {
    if (outOfTime) cut = true;
    else if (!uncertain) {
      const text = `${rule.id} at ${service} ${where} was drawn and did not strike`;
      report('missing-fault', step, rule.id, 'none', text);
    }
  };
  for (const [index, rule] of candidates.entries()) {
    if (chances[index] === 'must' && !decides(rule.fault) && !struck.has(rule)) missing(rule);
  }
  const due = highest(candidates.filter((rule, index) => chances[index] === 'must' && decides(rule.fault)));
  if (due && !struck.has(due)) {
    const by = deciding && ruleOf(deciding);
    const given = deciding !== undefined && isGiven(deciding);
    if (!given && (!by || highest([due, by].sort((a, b) => candidates.indexOf(a) - candidates.indexOf(b))) === due)) {
      missing(due);
    }
  }
  const seqs = logged.map(({ seq }) => seq);
  return {
    deciding,
    end: deciding && endOf(deciding),
    cut,
    delayMs,
    seqs: seqs.length > 0 ? [Math.min(...seqs), Math.max(...seqs)] : null,
  };
}

/** Clocks are read a little before or after the events that show them. */
const WINDOW_SLACK_MS = 50;

function chanceOf(rule: FaultRule, { span, draws, rank, uncertain, clockMoved }: FaultPoint): Chance {
  const { instances, fromRequest, forMs, startsAt, expiresAt, nth } = rule;
  if (instances && !instances.includes(span.instance)) return 'never';
  if (span.received?.via === 'queue' && needsConnection(rule.fault) && rule.at !== 'call') return 'never';
  if (!faultHappens(rule, draws)) return 'never';
  if (nth !== undefined && rank && !uncertain) {
    const [least, most] = rank(rule);
    if (nth < least || nth > most) return 'never';
    if (least < most) return 'may';
  }
  if (startsAt !== undefined || expiresAt !== undefined) {
    if (clockMoved) return 'may';
    const from = Date.parse(span.received?.timestamp ?? '');
    const to = Date.parse(span.last?.timestamp ?? '');
    if (expiresAt !== undefined && from > Date.parse(expiresAt) + WINDOW_SLACK_MS) return 'never';
    if (startsAt !== undefined && to < Date.parse(startsAt) - WINDOW_SLACK_MS) return 'never';
    if (expiresAt !== undefined && !(to < Date.parse(expiresAt) - WINDOW_SLACK_MS)) return 'may';
    if (startsAt !== undefined && !(from > Date.parse(startsAt) + WINDOW_SLACK_MS)) return 'may';
  }
  return (fromRequest ?? 1) > 1 || forMs !== undefined ? 'may' : 'must';
}

/** The first written of the highest priority. */
function highest(rules: readonly FaultRule[]): FaultRule | undefined {
  let best: FaultRule | undefined;
  for (const rule of rules) if (!best || (rule.priority ?? 0) > (best.priority ?? 0)) best = rule;
  return best;
}

/** The node's bounds may leave less of a size than was asked for. */
function agree(expected: Readonly<Record<string, number | string>>, { args, type }: InjectedFault): boolean {
  const names = Object.keys(expected);
  if (Object.keys(args).length !== names.length) return false;
  return names.every((name) => {
    const [should, did] = [expected[name], args[name]];
    if (name === 'size' && (type === 'memory-leak' || type === 'disk-fill')) return Number(did) <= Number(should);
    return should === did;
  });
}

function decidesLogged({ type, args }: InjectedFault): boolean {
  return decides({ type, args } as never);
}

function endOf({ type, args }: InjectedFault): FaultEnd {
  return type === 'error' ? { status: Number(args.status) } : 'dropped';
}

import { explain } from '../departure';
import type { SpanRecord } from '../span-record';
import type { StepsVerdict } from '../steps/check-steps';
import type { SpanContext } from './span-context';
import { elapsedMs, type Report } from './span-report';

/** Timers fire up to a millisecond early, and what is left is handed on in whole milliseconds. */
const DEADLINE_SLACK_MS = 3;

/** Whether the deadline may have cut the span: an attempt says so, or so much time had passed. */
export function wasOutOfTime(span: SpanRecord, deadlineMs: number | undefined): boolean {
  for (const { error, step } of span.events) if (step !== undefined && error?.kind === 'DEADLINE') return true;
  const end = span.result ?? span.last;
  const took = end && (elapsedMs(span, end) ?? end.durationMs);
  if (deadlineMs === undefined) return end?.status === 504;
  return took !== undefined && took >= deadlineMs - DEADLINE_SLACK_MS;
}

/** The answer that the steps led to: its status, that it left at all, and not sooner than their drawn latencies allow. */
export function checkAnswer(
  span: SpanRecord,
  verdict: StepsVerdict,
  outOfTime: boolean,
  { findings }: SpanContext,
  report: Report,
): void {
  const { how, end, minimumMs } = verdict;
  if (how === 'unknown') return;
  if (how === 'fault') checkFaulted(span, end, outOfTime, report);
  else if (implyStatus(span, how, outOfTime, report)) explain(findings, 'answered 504: out of time');
  checkCut(span, end, report);
  const { service, result, last, received } = span;
  const took = result?.durationMs ?? last?.durationMs;
  if (took !== undefined && how === 'well' && took < minimumMs) {
    const text = `${service} ${received?.endpoint} took ${took} ms, less than its steps' drawn latencies`;
    report('too-fast', null, `at least ${minimumMs.toFixed(3)} ms`, `${took} ms`, text);
  }
}

const IMPLIED = { well: 200, failed: 502, deadline: 504 } as const;
const WHY = {
  well: 'no required step failed',
  failed: 'a required step failed',
  deadline: 'the deadline ended a step',
} as const;

/** @returns whether the deadline explains the status */
function implyStatus(span: SpanRecord, how: keyof typeof IMPLIED, outOfTime: boolean, report: Report): boolean {
  const status = span.result?.status ?? span.last?.status;
  if (status === undefined) return false;
  if (status === IMPLIED[how] || (status === 504 && outOfTime)) return status === 504;
  const text = `${span.service} answered ${status}, and ${WHY[how]}${status === 504 ? ' before the deadline' : ''}`;
  report('wrong-status', null, String(IMPLIED[how]), String(status), text);
  return false;
}

/** A fault decided: the answer has its status, or there is none. */
function checkFaulted(span: SpanRecord, end: StepsVerdict['end'], outOfTime: boolean, report: Report): void {
  const { result, last, service } = span;
  const status = result?.status ?? last?.status;
  // Side by side with a fault the deadline counts first.
  if (status === 504 && outOfTime) return;
  if (end === 'dropped') {
    if (!result) return;
    const text = `${service} was to give no answer, as a fault had it, and gave ${status}`;
    report('wrong-status', null, 'no answer', String(status), text);
  } else if (end && status !== undefined && status !== end.status) {
    const text = `${service} answered ${status}, and a fault had it answer ${end.status}`;
    report('wrong-status', null, String(end.status), String(status), text);
  }
}

/** An answer that a fault cut off has such a fault. */
function checkCut({ last, faults, service }: SpanRecord, end: StepsVerdict['end'], report: Report): void {
  if (last?.error?.kind !== 'FAULT' || last.event !== 'ERROR' || end === 'dropped') return;
  if (faults.some(({ fault }) => fault?.type === 'truncate')) return;
  report('wrong-status', null, 'an answer', 'none', `${service} gave no whole answer, and no fault had it so`);
}

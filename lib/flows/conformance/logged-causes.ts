import type { ErrorKind } from '../../model/event';

/**
 * Whatever depends on time, state or replica is no draw: the node logs it with its cause, and the check takes the cause as
 * given and works out what must follow. Each kind of error says here what it decides; a new kind of decision (an open
 * breaker, a shed request, an injected fault) joins by a line in this table.
 */
export interface LoggedCause {
  /** Whether an attempt may end with it, and whether its REQUEST_SENT must stand before it. */
  readonly attempt: 'after-sent' | 'alone' | 'either' | 'never';
  /** After it no further attempt is made, and the step ends by the deadline. */
  readonly outOfTime: boolean;
  /** The next instance may be tried in the same attempt. */
  readonly reconnects: boolean;
  /** As the cause of a request's own answer: statuses that it may have, where its steps did not decide it. */
  readonly answers: readonly number[];
  /** With it as the cause of the answer, no step ran. */
  readonly nothingRan: boolean;
}

const ATTEMPT: LoggedCause = {
  attempt: 'after-sent',
  outOfTime: false,
  reconnects: false,
  answers: [],
  nothingRan: false,
};
const REFUSAL: LoggedCause = { ...ATTEMPT, attempt: 'never', nothingRan: true };

export const LOGGED_CAUSES: Readonly<Record<ErrorKind, LoggedCause>> = {
  CONNECT: { ...ATTEMPT, reconnects: true },
  RESET: ATTEMPT,
  TIMEOUT: ATTEMPT,
  BODY: ATTEMPT,
  DEADLINE: { ...ATTEMPT, attempt: 'either', outOfTime: true },
  NO_INSTANCE: { ...ATTEMPT, attempt: 'alone' },
  BREAKER_OPEN: { ...ATTEMPT, attempt: 'alone' },
  CANCELLED: { ...ATTEMPT, attempt: 'either' },
  BULKHEAD_FULL: { ...ATTEMPT, attempt: 'alone' },
  STEP_FAILED: { ...ATTEMPT, attempt: 'never' },
  OVERLOAD: { ...REFUSAL, answers: [503] },
  FAULT: { ...ATTEMPT, attempt: 'alone' },
  FORBIDDEN: { ...REFUSAL, answers: [403] },
  BAD_REQUEST: { ...REFUSAL, answers: [400, 413, 415, 431] },
  NOT_FOUND: { ...REFUSAL, answers: [404, 405] },
  INTERNAL: { ...ATTEMPT, attempt: 'either', answers: [500] },
  CLIENT_GONE: { ...ATTEMPT, attempt: 'never' },
  CLOCK_AHEAD: { ...ATTEMPT, attempt: 'never' },
};

/** A log may hold a kind that this version does not know; it then explains nothing. */
export function loggedCause(kind: string | undefined): LoggedCause | undefined {
  return kind !== undefined && Object.hasOwn(LOGGED_CAUSES, kind) ? LOGGED_CAUSES[kind as ErrorKind] : undefined;
}

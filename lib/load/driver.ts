import type { Arrival } from './arrivals';

/** What sends a request and tells when it is over. */
export interface DriverOptions {
  /** Arrivals in the order of their time; undefined after the last. */
  readonly arrivals: () => Arrival | undefined;
  /**
   * Sends a request.
   *
   * @param plannedAt when it was to be sent, by the monotonic clock, in milliseconds
   * @param over to be called once, when its outcome is known
   */
  readonly send: (arrival: Arrival, plannedAt: number, over: () => void) => void;
  /** Takes note of a request that the bound on requests in flight holds back. */
  readonly notSent: (arrival: Arrival) => void;
  /** @default no bound */
  readonly maxInFlight?: number;
  /** Keeps a core busy to send within some microseconds of the planned moment, instead of about a millisecond. */
  readonly spin?: boolean;
}

export interface Driver {
  /** Resolves when the last request's outcome is known. */
  readonly done: Promise<void>;
  /** Sends no more. */
  stop(): void;
  readonly inFlight: number;
  readonly startedAt: number;
}

/** After so many requests in one turn of the event loop answers are read before more are sent. */
const BURST = 256;
/** Node's timers may come so much late, in milliseconds; before that spinning takes over. */
const SPIN_MS = 2;

/**
 * An open loop: each request is sent at its planned moment, whether or not earlier ones were answered, so that a slow
 * system can't slow down the traffic that shows it slow. What falls behind is caught up at once and never left out.
 */
export function drive(options: DriverOptions): Driver {
  const { arrivals, send, notSent, maxInFlight = Number.POSITIVE_INFINITY, spin = false } = options;
  const startedAt = performance.now();
  let inFlight = 0;
  let next = arrivals();
  let timer: NodeJS.Timeout | null = null;
  let settle: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    settle = resolve;
  });

  const over = (): void => {
    inFlight -= 1;
    if (inFlight === 0 && next === undefined) settle();
  };

  const turn = (): void => {
    timer = null;
    for (let burst = 0; next !== undefined; burst++) {
      const plannedAt = startedAt + next.atMs;
      const waitMs = plannedAt - performance.now();
      if (waitMs > 0) {
        if (spin && waitMs <= SPIN_MS) setImmediate(turn);
        else timer = setTimeout(turn, Math.floor(spin ? waitMs - SPIN_MS + 1 : waitMs));
        return;
      }
      if (burst >= BURST) {
        setImmediate(turn);
        return;
      }
      const arrival = next;
      next = arrivals();
      if (inFlight >= maxInFlight) notSent(arrival);
      else {
        inFlight += 1;
        send(arrival, plannedAt, over);
      }
    }
    if (inFlight === 0) settle();
  };

  setImmediate(turn);
  return {
    done,
    stop: () => {
      next = undefined;
      if (timer) clearTimeout(timer);
      timer = null;
      if (inFlight === 0) settle();
    },
    get inFlight() {
      return inFlight;
    },
    startedAt,
  };
}

/**
 * Hybrid logical clock: physical milliseconds and a counter, never running backwards and never behind a message
 * received. Source: Kulkarni et al., "Logical Physical Clocks and Consistent Snapshots in Globally Distributed
 * Databases" (2014). Written as sixteen hexadecimal digits, twelve of milliseconds since 1970 and four of counter, so
 * that text order is clock order.
 */
export interface HybridClock {
  /** Stamps a local event or a message sent. */
  tick(): string;
  /** Takes in a stamp received with a message and stamps the receipt. Text that is no stamp is taken as none. */
  receive(stamp: string | undefined): string;
}

const COUNTER_LIMIT = 0x10000;
/** The end of the year 9999. A clock set to the greatest stamp there is would count past sixteen digits. */
const FARTHEST = 253_402_300_799_999;
const STAMP = /^[0-9a-f]{16}$/;

/** @param now wall clock in whole milliseconds; it may jump, the hybrid clock will not run backwards */
export function hybridClock(now: () => number = Date.now): HybridClock {
  let millis = 0;
  let counter = 0;

  const advance = (seenMillis: number, seenCounter: number): string => {
    const physical = now();
    const latest = Math.max(physical, millis, seenMillis);
    if (latest === millis && latest === seenMillis) counter = Math.max(counter, seenCounter) + 1;
    else if (latest === millis) counter += 1;
    else if (latest === seenMillis) counter = seenCounter + 1;
    else counter = 0;
    millis = latest;
    if (counter >= COUNTER_LIMIT) {
      millis += 1;
      counter = 0;
    }
    return formatStamp(millis, counter);
  };

  return {
    tick: () => advance(-1, 0),
    receive: (stamp) => {
      const seen = stamp === undefined ? undefined : parseStamp(stamp);
      return seen ? advance(seen.millis, seen.counter) : advance(-1, 0);
    },
  };
}

/** Milliseconds and counter of a stamp, or undefined for any other text, stamps after the year 9999 included. */
export function parseStamp(stamp: string): { readonly millis: number; readonly counter: number } | undefined {
  if (!STAMP.test(stamp)) return undefined;
  const millis = Number.parseInt(stamp.slice(0, 12), 16);
  return millis > FARTHEST ? undefined : { millis, counter: Number.parseInt(stamp.slice(12), 16) };
}

let cachedMillis = -1;
let cachedText = '';

function formatStamp(millis: number, counter: number): string {
  if (millis !== cachedMillis) {
    cachedMillis = millis;
    cachedText = millis.toString(16).padStart(12, '0');
  }
  return cachedText + HEX16[counter >> 8] + HEX16[counter & 255];
}

const HEX16 = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

import type { Message } from './estimate-offsets';

/**
 * Keeps of all messages between two hosts those that can matter: of each short time, by the sender's clock, the one that
 * seems to have travelled the shortest. The memory is bounded: where there are too many, the times grow longer.
 */
export interface MessageAccumulator {
  add(from: number, to: number, sentMs: number, receivedMs: number): void;
  /** How many messages there were in all. */
  readonly count: number;
  messages(): Message[];
}

const FIRST_SLOT_MS = 500;

/** @param most kept at a time. @default 100,000, some 10 MB */
export function messageAccumulator(most = 100_000): MessageAccumulator {
  const pairs = new Map<number, Map<number, Message>>();
  let slotMs = FIRST_SLOT_MS;
  let kept = 0;
  let count = 0;

  const keep = (slots: Map<number, Message>, from: number, to: number, sentMs: number, receivedMs: number): void => {
    const slot = Math.floor(sentMs / slotMs);
    const known = slots.get(slot);
    if (known && known.receivedMs - known.sentMs <= receivedMs - sentMs) return;
    if (!known) kept += 1;
    slots.set(slot, { from, to, sentMs, receivedMs });
  };

  return {
    add(from, to, sentMs, receivedMs) {
      count += 1;
      const key = from * 0x100000 + to;
      let slots = pairs.get(key);
      if (!slots) {
        slots = new Map();
        pairs.set(key, slots);
      }
      keep(slots, from, to, sentMs, receivedMs);
      while (kept > most && slotMs < 1e12) {
        slotMs *= 2;
        kept = 0;
        for (const [pair, old] of pairs) {
          const merged = new Map<number, Message>();
          for (const m of old.values()) keep(merged, m.from, m.to, m.sentMs, m.receivedMs);
          pairs.set(pair, merged);
        }
      }
    },
    get count() {
      return count;
    },
    messages: () => [...pairs.values()].flatMap((slots) => [...slots.values()]),
  };
}

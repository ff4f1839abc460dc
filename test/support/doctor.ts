import type { Event } from '../../lib/model/event';

/** As if the process had not logged the event: it is gone, and numbers close up. */
export function withoutEvent(events: readonly Event[], victim: Event): readonly Event[] {
  return renumbered(
    events.filter((event) => event !== victim),
    victim,
    -1,
  );
}

/** As if the process had logged the event right after another of the same request. */
export function withEvent(events: readonly Event[], after: Event, more: Partial<Event>): readonly Event[] {
  const { spanEvents: _, status: __, durationMs: ___, ...common } = after;
  const added = { ...common, ...more, seq: after.seq + 1 };
  return [...renumbered(events, after, 1), added as Event];
}

/** As if the process had logged the event so many events later in the run, or earlier. */
export function movedEvent(events: readonly Event[], victim: Event, by: number): readonly Event[] {
  const own = events.filter(({ process, run }) => process === victim.process && run === victim.run);
  own.sort((a, b) => a.seq - b.seq);
  const seqs = own.map(({ seq }) => seq);
  const from = own.indexOf(victim);
  const to = Math.max(0, Math.min(own.length - 1, from + by));
  const { timestamp, monotonicUs, hlc } = own[to] as Event;
  own.splice(to, 0, ...own.splice(from, 1));
  const changed = new Map(
    own.map((event, index) => {
      const seq = seqs[index] as number;
      return [event, event === victim ? { ...event, timestamp, monotonicUs, hlc, seq } : { ...event, seq }];
    }),
  );
  return events.map((event) => changed.get(event) ?? event);
}

function renumbered(events: readonly Event[], victim: Event, by: 1 | -1): readonly Event[] {
  return events.map((event) => {
    const later = event.process === victim.process && event.run === victim.run && event.seq > victim.seq;
    const own = event.requestId === victim.requestId && event.spanEvents !== undefined;
    return {
      ...event,
      ...(later && { seq: event.seq + by }),
      ...(own && { spanEvents: (event.spanEvents ?? 0) + by }),
    };
  });
}

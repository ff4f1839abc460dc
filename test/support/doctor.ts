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

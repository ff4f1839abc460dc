import type { Flow, OrderedEvent, Ordering } from '../flow';
import { gapText, openOrderText } from './open-order-text';

/** The orderings of a flow that nothing proves, in its order, by the request whose beginning or end is shown second. */
export function openOrderings({ orderings }: Flow): ReadonlyMap<string, readonly Ordering[]> {
  const open = new Map<string, Ordering[]>();
  for (const ordering of orderings) {
    if (ordering.proof !== null) continue;
    const { requestId } = ordering.second;
    const list = open.get(requestId);
    if (list) list.push(ordering);
    else open.set(requestId, [ordering]);
  }
  return open;
}

/** What the span shown second says of it: `its start after the end of mail-1 is not proved: 0.4 ms apart, …`. */
export function openOrderingText({ first, second, ...gap }: Ordering): string {
  return openOrderText(second.at, 'after', first.at, first.instance, gapText(gap, msText));
}

/** The same of both spans at once, in lines: a note over them is no wider than the two are apart. */
export function openPairTexts({ first, second, ...gap }: Ordering): readonly string[] {
  const event = ({ at, instance }: OrderedEvent): string => `${at} of ${instance}`;
  const [apart, ...known] = gapText(gap, msText).split(', ');
  return [`≈ ${event(first)},`, `then ${event(second)}:`, `not proved, ${apart}`, ...known];
}

function msText(ms: number): string {
  return `${Number(ms.toPrecision(3))} ms`;
}

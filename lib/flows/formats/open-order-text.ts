/** Distance of two events by the best guess, and the sum of both clocks' errors; null where one of those is unknown. */
export interface Gap {
  readonly apartMs: number;
  readonly boundMs: number | null;
}

/** What a span says of an order that nothing proves; the page says it in the same words as the exports. */
export function openOrderText(
  ownAt: 'start' | 'end',
  shown: 'before' | 'after',
  otherAt: 'start' | 'end',
  other: string,
  gap: string,
): string {
  return `its ${ownAt} ${shown} the ${otherAt} of ${other} is not proved: ${gap}`;
}

export function gapText({ apartMs, boundMs }: Gap, msText: (ms: number) => string): string {
  if (boundMs === null) return "a clock's error is not known";
  const known = `clocks known to ±${msText(boundMs)}`;
  return apartMs < 0
    ? `${msText(-apartMs)} the other way round by the best guess, ${known}`
    : `${msText(apartMs)} apart, ${known}`;
}

/** A moment in what was and in what would have been, from the span's start; and whether the span was then still at work. */
export interface Moment {
  readonly was: number;
  readonly would: number;
  readonly live: boolean;
  /** How it would have ended here. */
  readonly end?: End;
}

export interface End {
  readonly status: number | null;
  /** Of several side by side the gravest counts. */
  readonly weight: 1 | 2 | 3;
}

export const FAILED: End = { status: 502, weight: 1 };
export const OUT_OF_TIME: End = { status: 504, weight: 3 };

/** All branches begin together, and the last one ends them. */
export function together(at: Moment, branches: readonly Moment[]): Moment {
  let all = at;
  for (const { was, would, live, end } of branches) {
    const gravest = end && end.weight > (all.end?.weight ?? 0) ? end : all.end;
    all = {
      was: Math.max(all.was, was),
      would: Math.max(all.would, would),
      live: all.live && live,
      ...(gravest && { end: gravest }),
    };
  }
  return all;
}

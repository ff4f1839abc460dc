import type { Attempt } from '../call/attempt';

/** Two attempts, or the one that was enough. */
export interface Hedged {
  readonly result: Attempt;
  readonly hedged: boolean;
}

/**
 * Makes an attempt, and a second one where the first takes too long: the first good answer wins, and the other attempt is
 * called off and has ended when this resolves. Where both fail the first one's failure counts.
 *
 * @param second resolves to undefined where no second attempt can be made now
 */
export async function hedged(
  afterMs: number,
  first: (signal: AbortSignal) => Promise<Attempt>,
  second: (signal: AbortSignal) => Promise<Attempt | undefined>,
): Promise<Hedged> {
  const controls = [new AbortController(), new AbortController()] as const;
  const one = first(controls[0].signal);
  if (!(await takesLonger(one, afterMs))) return { result: await one, hedged: false };
  const two = second(controls[1].signal);
  const good = await Promise.any([answerOf(one), answerOf(two)]).catch(() => undefined);
  for (const control of controls) control.abort();
  const [failure, beside] = await Promise.all([one, two]);
  return { result: good ?? failure, hedged: beside !== undefined };
}

function takesLonger(attempt: Promise<Attempt>, ms: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms, true);
    attempt.then(() => resolve(false), reject).finally(() => clearTimeout(timer));
  });
}

async function answerOf(attempt: Promise<Attempt | undefined>): Promise<Attempt> {
  const result = await attempt;
  if (!result?.ok) throw new Error(result?.message);
  return result;
}

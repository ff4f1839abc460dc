import { chosenBranch, happens, isTolerated, repetitions } from '../../model/decisions';
import { childPlace, type DrawContext, type Hash, hashText } from '../../model/draw';
import type { CallStep, Endpoint, SendStep, Step } from '../../model/topology';

/** One repetition of a call or a `send` that a request's steps make, if they come that far. */
export interface ExpectedCall {
  readonly step: CallStep | SendStep;
  readonly repetition: number;
  /** Its failure fails the request: no such call may be left out, and nothing may take its place. */
  readonly required: boolean;
  /** Places that its attempts have, the first one's first. */
  readonly places: readonly Hash[];
}

/** What the draws have a request send, in the order written. */
export function* expectedCalls({ steps }: Pick<Endpoint, 'steps'>, draws: DrawContext): Generator<ExpectedCall> {
  for (const step of steps) yield* expectedOf(step, draws);
}

function* expectedOf(step: Step, draws: DrawContext): Generator<ExpectedCall> {
  switch (step.kind) {
    case 'sequence':
    case 'parallel':
      yield* expectedCalls(step, draws);
      return;
    case 'oneOf':
      yield* expectedCalls({ steps: step.branches[chosenBranch(step, draws)]?.steps ?? [] }, draws);
      return;
    case 'call':
    case 'send': {
      if (!happens(step, draws)) return;
      const id = hashText(step.id);
      const times = repetitions(step, draws);
      const required = !isTolerated(step);
      for (let repetition = 0; repetition < times; repetition++) {
        const attempts = Array.from({ length: step.retries.max + (step.hedge ? 2 : 1) }, (_, index) => index + 1);
        const places = attempts.map((attempt) => childPlace(draws.place, id, repetition, attempt));
        yield { step, repetition, required, places };
      }
      return;
    }
    case 'work':
    case 'fault':
      return;
    default:
      step satisfies never;
  }
}

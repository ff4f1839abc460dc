import { LIMITS } from '../../../model/contract';
import type { Moment, PolicyReport } from './tracked-attempt';

/** Accepted `send`s of a process that wait for their turn, and refusals that no full queue explains. */
export interface SendQueueReplay {
  accepted(): void;
  begun(): void;
  refused(now: Moment, report: PolicyReport): void;
  lost(): void;
  /** @param stoppingUs since when the process refused them as it stopped; null: never, undefined: perhaps always */
  finish(stoppingUs: number | null | undefined): void;
}

/** See `service/request/send-queue.ts`. */
export function sendQueueReplay(): SendQueueReplay {
  const refusals: { readonly us: number; readonly waiting: number; readonly report: PolicyReport }[] = [];
  let waiting = 0;
  let known = true;
  return {
    accepted: () => {
      waiting += 1;
    },
    begun: () => {
      waiting -= 1;
    },
    refused({ us }, report) {
      if (known && waiting < LIMITS.queuedSends) refusals.push({ us, waiting, report });
    },
    lost: () => {
      known = false;
    },
    finish(stoppingUs) {
      if (stoppingUs === undefined) return;
      for (const { us, waiting: found, report } of refusals) {
        if (stoppingUs !== null && us >= stoppingUs) continue;
        const text = `a send was refused with ${found} in a queue for ${LIMITS.queuedSends}, and the node was not stopping`;
        report('undue-decision', `${LIMITS.queuedSends} that wait, or a node that stops`, `${found} that wait`, text);
      }
    },
  };
}

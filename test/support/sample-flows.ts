import type { Call, Flow, Span, SpanFault } from '../../lib/flows/flow';
import type { Run } from '../../lib/flows/read-run';
import { loadTopology } from '../../lib/model/load-topology';
import { loseLines } from './distort';
import { simulatedRun } from './simulated-run';

/** A shop in trouble: retries, refused connections, time-outs, `send`s, a crash, and lines lost on the way. */
export async function troubledShop(requests = 150): Promise<Run> {
  return simulatedRun(
    {
      topology: await loadTopology('shop'),
      requests,
      rate: 150,
      failures: { connect: 0.03, reset: 0.02, lost: 0.01, overload: 0.02, internal: 0.01, body: 0.01, balancer: 0.01 },
      crashes: [{ instance: 'catalog-1', atMs: 300, restartAfterMs: 200, lostTailMs: 20 }],
    },
    (simulation) => loseLines(simulation, 0.01, 7),
  );
}

/** What must stay text wherever it is shown. */
export const HOSTILE = `</script><img src=x onerror="alert(1)">]]>--><!--\r\n\u0000\u001b[31m\u2028"';:#end%&amp;\\ \${1} \`x\` =1+1,é漢🙂`;

/** A flow in which every text that a log brings is hostile. */
export function hostileFlow(): Flow {
  const span = (fields: Partial<Span>): Span => ({
    service: HOSTILE,
    instance: HOSTILE,
    process: HOSTILE,
    endpoint: HOSTILE,
    requestId: '1111111111111111',
    parentRequestId: '2222222222222222',
    place: '3333333333333333',
    via: 'edge',
    epoch: 0,
    startTime: '2026-11-21T05:44:29.123Z',
    offsetMs: 0,
    host: HOSTILE,
    correctionMs: 0,
    uncertaintyMs: 1,
    order: 'within-clock-error',
    durationMs: 10,
    selfMs: 2,
    status: 500,
    error: { kind: 'INTERNAL', message: HOSTILE },
    faults: [{ type: HOSTILE, [HOSTILE]: HOSTILE, deep: { list: [HOSTILE] }, offsetMs: 1 } as unknown as SpanFault],
    decisions: [
      {
        event: 'BREAKER_OPENED',
        offsetMs: 1,
        step: HOSTILE,
        callee: HOSTILE,
        repetition: 0,
        attempt: 1,
        figures: { [HOSTILE]: HOSTILE },
      },
    ],
    complete: true,
    inferred: false,
    critical: true,
    calls: [],
    queued: [],
    ...fields,
  });
  const call = (fields: Partial<Call>): Call => ({
    callee: HOSTILE,
    step: HOSTILE,
    repetition: 0,
    attempt: 1,
    reconnect: 0,
    callPlace: '4444444444444444',
    peer: HOSTILE,
    peerRequestId: null,
    sent: true,
    offsetMs: 1,
    durationMs: 8,
    status: null,
    error: { kind: 'RESET', message: HOSTILE },
    bytes: null,
    critical: true,
    child: null,
    ...fields,
  });
  const child = span({
    requestId: '5555555555555555',
    parentRequestId: '1111111111111111',
    via: 'mesh',
    offsetMs: 2,
    durationMs: 3,
  });
  return {
    traceId: '0123456789abcdef0123456789abcdef',
    key: HOSTILE,
    startTime: '2026-11-21T05:44:29.123Z',
    durationMs: 10,
    status: 500,
    complete: false,
    warnings: [HOSTILE],
    client: call({ callPlace: null, offsetMs: -1, durationMs: 12, step: null }),
    root: span({
      calls: [call({}), call({ callPlace: '6666666666666666', status: 200, error: null, child, offsetMs: 1.5 })],
    }),
    orphans: [
      span({ requestId: '7777777777777777', parentRequestId: null, durationMs: null, selfMs: null, complete: false }),
    ],
    orderings: [
      {
        first: { requestId: '1111111111111111', instance: HOSTILE, at: 'start' },
        second: { requestId: '5555555555555555', instance: HOSTILE, at: 'start' },
        apartMs: 2,
        boundMs: 3,
        proof: null,
      },
    ],
  };
}

import { ITINERARY, ITINERARY_ENDPOINT } from '../../model/contract';
import type { Endpoint, Step } from '../../model/topology';
import type { Span } from '../flow';

/** What an itinerary had one stop do, as far as it came: its faults and calls in their order, as an endpoint's steps. */
export function itineraryAsLogged(span: Span): Endpoint | undefined {
  if (span.endpoint !== ITINERARY_ENDPOINT) return undefined;
  const faults = span.faults
    .filter(({ source }) => source === 'itinerary')
    .map((fault) => ({ at: fault.offsetMs, step: { kind: 'fault', id: fault.id, fault, probability: 1 } as Step }));
  const calls = span.calls.flatMap(({ step, callee, offsetMs }) =>
    step === null || callee === null ? [] : [{ at: offsetMs, step: callOf(step, callee) }],
  );
  const steps = [...faults, ...calls].sort((a, b) => a.at - b.at).map(({ step }) => step);
  return {
    key: ITINERARY_ENDPOINT,
    anyMethod: false,
    method: 'POST',
    path: ITINERARY.path,
    weight: 0,
    // A fault's own bound ends it sooner.
    deadlineMs: Number.POSITIVE_INFINITY,
    requestBytes: null,
    responseBytes: 0,
    steps,
  };
}

function callOf(id: string, callee: string): Step {
  return {
    kind: 'call',
    id,
    service: callee.split(' ')[0] ?? '',
    endpoint: ITINERARY_ENDPOINT,
    method: 'POST',
    path: ITINERARY.path,
    probability: 1,
    count: 1,
    timeoutMs: null,
    retries: { max: 0, backoffMs: 0, maxBackoffMs: 0, jitter: 0 },
    requestBytes: null,
    optional: false,
    faults: [],
  };
}

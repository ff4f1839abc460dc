import { parseCallee } from '../../model/callee';
import { ITINERARY_ENDPOINT } from '../../model/contract';
import { itineraryCall, itineraryEndpoint } from '../../model/itinerary-steps';
import type { Endpoint, Step } from '../../model/topology';
import type { Span } from '../flow';

/** What an itinerary had one stop do, as far as it came: its faults and calls in their order, as an endpoint's steps. */
export function itineraryAsLogged(span: Span): Endpoint | undefined {
  if (span.endpoint !== ITINERARY_ENDPOINT) return undefined;
  const faults = span.faults
    .filter(({ source }) => source === 'itinerary')
    .map((fault) => ({ at: fault.offsetMs, step: { kind: 'fault', id: fault.id, fault, probability: 1 } as Step }));
  const calls = span.calls.flatMap(({ step, callee, offsetMs }) =>
    step === null || callee === null
      ? []
      : [{ at: offsetMs, step: itineraryCall(step, parseCallee(callee).service, 1) }],
  );
  return itineraryEndpoint([...faults, ...calls].sort((a, b) => a.at - b.at).map(({ step }) => step));
}

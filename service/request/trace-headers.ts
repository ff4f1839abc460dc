import { BAGGAGE, HEADERS, KEY_GRAMMAR } from '../../lib/model/contract';
import { ADHOC_RUN, parseRunId } from '../../lib/model/run-id';
import { formatBaggage, newTraceId, parseBaggage, parseTraceparent } from '../../lib/model/trace-context';

/** The trace of a request, from its headers or new. */
export interface Trace {
  readonly traceId: string;
  readonly parentRequestId: string | undefined;
  readonly flags: string;
  readonly tracestate: string;
}

/** What baggage says to a node, and what it hands on. */
export interface Baggage {
  readonly run: string;
  readonly key: string | undefined;
  readonly handedOn: string;
  /** Faults that the flow brings along, as yet unread. */
  readonly overlay: string | undefined;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Far above the 512 characters that W3C asks for. */
const MAX_TRACESTATE = 4096;
const PRINTABLE = /^[\t -~]+$/;

/** A malformed `traceparent` begins a new trace, and then `tracestate` is not handed on (W3C Trace Context, 3.3). */
export function readTrace(headers: Headers): Trace {
  const parent = parseTraceparent(single(headers[HEADERS.traceparent]));
  if (!parent) return { traceId: newTraceId(), parentRequestId: undefined, flags: '01', tracestate: '' };
  const state = single(headers[HEADERS.tracestate]) ?? '';
  return {
    traceId: parent.traceId,
    parentRequestId: parent.parentId,
    // Only the two flags that are defined (sampled, random) are set on the way out.
    flags: `0${Number.parseInt(parent.flags, 16) & 3}`,
    tracestate: state.length <= MAX_TRACESTATE && PRINTABLE.test(state) ? state : '',
  };
}

/** Reads baggage; requests of one run mostly bring the same header, so the last reading is kept. */
export function baggageReader(): (headers: Headers) => Baggage {
  let lastHeader: string | undefined;
  let last: Baggage = readBaggage(undefined);
  return (headers) => {
    const header = single(headers[HEADERS.baggage]);
    if (header !== lastHeader) {
      last = readBaggage(header);
      lastHeader = header;
    }
    return last;
  };
}

/** A run id or key outside its grammar counts as none and is not handed on. */
function readBaggage(header: string | undefined): Baggage {
  const members = new Map(parseBaggage(header));
  const run = members.get(BAGGAGE.run);
  const key = members.get(BAGGAGE.key);
  const runIsValid = run !== undefined && parseRunId(run) !== undefined;
  const keyIsValid = key !== undefined && KEY_GRAMMAR.test(key);
  if (!runIsValid) members.delete(BAGGAGE.run);
  if (!keyIsValid) members.delete(BAGGAGE.key);
  return {
    run: runIsValid ? run : ADHOC_RUN,
    key: keyIsValid ? key : undefined,
    handedOn: formatBaggage(members),
    overlay: members.get(BAGGAGE.overlay),
  };
}

/** Node joins repeated headers of these names with a comma; a list can't come, but its type can. */
export function single(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined;
}

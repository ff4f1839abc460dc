import {
  CALL_FLAG,
  COLUMNS,
  FLOW_FLAG,
  type FlowHead,
  type ReportCall,
  type ReportFlow,
  type ReportOrdering,
  type ReportSpan,
  SPAN_FLAG,
} from '../flow-fields';

/** What `encode-flows.ts` wrote. */
export function decodeFlows({ flows: count, texts, lengths }: FlowHead, bytes: Uint8Array): ReportFlow[] {
  const cursors = new Uint32Array(lengths.length);
  let at = 0;
  for (const [index, length] of lengths.entries()) {
    cursors[index] = at;
    at += length;
  }

  const next = (column: number): number => {
    let cursor = cursors[column] as number;
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[cursor++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 0x80;
    }
    cursors[column] = cursor;
    return value;
  };
  const signed = (column: number): number => {
    const value = next(column);
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  };
  const optional = (column: number): number | null => {
    const value = next(column);
    return value === 0 ? null : value - 1;
  };
  const duration = (column: number): number | null => {
    const value = next(column);
    return value === 0 ? null : (value - 1) / 1000;
  };
  const text = (column: number): string | null => texts[next(column) - 1] ?? null;
  const list = (column: number): string[] => times(next(column), () => text(column) ?? '');
  const idsAt = cursors[AT.traceIds] as number;
  const digits = hexDigits(bytes.subarray(idsAt));
  const hex = (column: number, length: number): string => {
    const start = (cursors[column] as number) - idsAt;
    cursors[column] = idsAt + start + length;
    return digits.slice(2 * start, 2 * (start + length));
  };

  // Offsets are differences of whole microseconds, so that nothing adds up to 0.30000000000000004.
  const readCall = (fromUs: number, startAt: number): ReportCall => {
    const callee = text(AT.callCallee);
    const step = text(AT.callStep);
    const repetition = optional(AT.callRepetition);
    const attempt = optional(AT.callAttempt);
    const peer = text(AT.callPeer);
    const offsetUs = fromUs + signed(AT.callOffset);
    const durationMs = duration(AT.callDuration);
    const status = optional(AT.callStatus);
    const error = text(AT.callError);
    const message = text(AT.callMessage);
    const bytesSent = optional(AT.callBytes);
    const flags = next(AT.callFlags);
    return {
      callee,
      step,
      repetition,
      attempt: attempt === null ? null : attempt >> 4,
      reconnect: attempt === null ? 0 : attempt & 15,
      peer,
      sent: (flags & CALL_FLAG.unsent) === 0,
      offsetMs: offsetUs / 1000,
      durationMs,
      status,
      error,
      message,
      bytes: bytesSent,
      critical: (flags & CALL_FLAG.critical) !== 0,
      child: (flags & CALL_FLAG.child) !== 0 ? readSpan(offsetUs, startAt) : null,
    };
  };

  const readSpan = (fromUs: number, startAt: number): ReportSpan => {
    const offsetUs = fromUs + signed(AT.spanOffset);
    const correctionMs = signed(AT.spanCorrection) / 1000;
    const flags = next(AT.spanFlags);
    const calls = next(AT.spanCalls);
    const queued = next(AT.spanQueued);
    return {
      service: text(AT.spanService) ?? '?',
      instance: text(AT.spanInstance) ?? '?',
      process: text(AT.spanProcess),
      endpoint: text(AT.spanEndpoint),
      via: text(AT.spanVia),
      requestId: hex(AT.requestIds, 8),
      durationMs: duration(AT.spanDuration),
      selfMs: duration(AT.spanSelf),
      status: optional(AT.spanStatus),
      error: text(AT.spanError),
      message: text(AT.spanMessage),
      offsetMs: offsetUs / 1000,
      correctionMs,
      rawAt: Math.floor(startAt + offsetUs / 1000 - correctionMs) + signed(AT.spanRaw),
      complete: (flags & SPAN_FLAG.complete) !== 0,
      inferred: (flags & SPAN_FLAG.inferred) !== 0,
      inferredFrom: flags & SPAN_FLAG.byTopology ? 'topology' : flags & SPAN_FLAG.inferred ? 'caller' : null,
      critical: (flags & SPAN_FLAG.critical) !== 0,
      order: flags & SPAN_FLAG.proved ? 'proved' : flags & SPAN_FLAG.withinError ? 'within-clock-error' : null,
      uncertaintyMs: duration(AT.spanUncertainty),
      faults: list(AT.spanFaults),
      decisions: list(AT.spanDecisions),
      // Last: those below read the same columns.
      calls: times(calls, () => readCall(offsetUs, startAt)),
      queued: times(queued, () => readSpan(offsetUs, startAt)),
    };
  };

  let startAt = 0;
  return times(count, () => {
    const traceId = hex(AT.traceIds, 16);
    startAt += signed(AT.flowStart);
    const key = text(AT.flowKey) ?? traceId;
    const durationMs = duration(AT.flowDuration);
    const status = optional(AT.flowStatus);
    const flags = next(AT.flowFlags);
    const warnings = list(AT.flowWarnings);
    const orphans = next(AT.flowOrphans);
    const orderings = next(AT.flowOrderings);
    const open = times(next(AT.flowOpen), (): OpenNumbers => {
      const first = next(AT.openFirst);
      return [first, first + signed(AT.openSecond), signed(AT.openApart), duration(AT.openBound)];
    });
    return {
      traceId,
      key,
      startAt,
      durationMs,
      status,
      complete: (flags & FLOW_FLAG.complete) !== 0,
      warnings,
      client: (flags & FLOW_FLAG.client) !== 0 ? readCall(0, startAt) : null,
      root: readSpan(0, startAt),
      orphans: times(orphans, () => readSpan(0, startAt)),
      orderings,
      // Looked up where the flow is opened: the list is to be there before.
      get open(): readonly ReportOrdering[] {
        return openOrderings(this, open);
      },
    };
  });
}

/** Events by number, then the distance in microseconds and the bound in milliseconds. */
type OpenNumbers = readonly [first: number, second: number, apartUs: number, boundMs: number | null];

function openOrderings({ root, orphans }: ReportFlow, numbers: readonly OpenNumbers[]): readonly ReportOrdering[] {
  const walked: ReportSpan[] = [];
  const walk = (span: ReportSpan): void => {
    walked.push(span);
    for (const { child } of span.calls) if (child) walk(child);
    span.queued.forEach(walk);
  };
  for (const top of [root, ...orphans]) walk(top);
  const event = (number: number): ReportOrdering['first'] => ({
    span: walked[number >> 1] as ReportSpan,
    at: number % 2 === 1 ? 'end' : 'start',
  });
  return numbers.map(([first, second, apartUs, boundMs]) => ({
    first: event(first),
    second: event(second),
    apartMs: apartUs / 1000,
    boundMs,
  }));
}

const NAMES = [...COLUMNS, 'traceIds', 'requestIds'] as const;

/** A column's number, since half a million cursors are looked up before the list is there. */
const AT = Object.fromEntries(NAMES.map((name, index) => [name, index])) as Readonly<
  Record<(typeof NAMES)[number], number>
>;

function times<T>(count: number, make: () => T): T[] {
  const made: T[] = [];
  for (let index = 0; index < count; index++) made.push(make());
  return made;
}

/** All ids as one text: one for each, added up digit by digit, kept the page's collector of garbage busy. */
function hexDigits(bytes: Uint8Array): string {
  const ascii = new Uint8Array(2 * bytes.length);
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] as number;
    ascii[2 * index] = HEX_DIGITS.charCodeAt(byte >> 4);
    ascii[2 * index + 1] = HEX_DIGITS.charCodeAt(byte & 15);
  }
  return new TextDecoder().decode(ascii);
}

const HEX_DIGITS = '0123456789abcdef';

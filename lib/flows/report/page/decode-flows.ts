import {
  CALL_FLAG,
  COLUMNS,
  type Column,
  FLOW_FLAG,
  type FlowHead,
  type ReportCall,
  type ReportFlow,
  type ReportSpan,
  SPAN_FLAG,
} from '../flow-fields';

/** What `encode-flows.ts` wrote. */
export function decodeFlows({ flows: count, texts, lengths }: FlowHead, bytes: Uint8Array): ReportFlow[] {
  const cursors: Record<string, number> = {};
  let at = 0;
  for (const [index, name] of [...COLUMNS, 'traceIds', 'requestIds'].entries()) {
    cursors[name] = at;
    at += lengths[index] as number;
  }

  const next = (column: Column): number => {
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
  const signed = (column: Column): number => {
    const value = next(column);
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  };
  const optional = (column: Column): number | null => {
    const value = next(column);
    return value === 0 ? null : value - 1;
  };
  const duration = (column: Column): number | null => {
    const value = next(column);
    return value === 0 ? null : (value - 1) / 1000;
  };
  const text = (column: Column): string | null => texts[next(column) - 1] ?? null;
  const list = (column: Column): string[] => Array.from({ length: next(column) }, () => text(column) ?? '');
  const hex = (column: 'traceIds' | 'requestIds', length: number): string => {
    const start = cursors[column] as number;
    cursors[column] = start + length;
    let digits = '';
    for (let index = start; index < start + length; index++) digits += HEX[bytes[index] as number];
    return digits;
  };

  // Offsets are differences of whole microseconds, so that nothing adds up to 0.30000000000000004.
  const readCall = (fromUs: number, startAt: number): ReportCall => {
    const callee = text('callCallee');
    const step = text('callStep');
    const repetition = optional('callRepetition');
    const attempt = optional('callAttempt');
    const peer = text('callPeer');
    const offsetUs = fromUs + signed('callOffset');
    const durationMs = duration('callDuration');
    const status = optional('callStatus');
    const error = text('callError');
    const message = text('callMessage');
    const bytesSent = optional('callBytes');
    const flags = next('callFlags');
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
    const identity = {
      service: text('spanService') ?? '?',
      instance: text('spanInstance') ?? '?',
      process: text('spanProcess'),
      endpoint: text('spanEndpoint'),
      via: text('spanVia'),
      requestId: hex('requestIds', 8),
    };
    const offsetUs = fromUs + signed('spanOffset');
    const correctionMs = signed('spanCorrection') / 1000;
    const rawAt = Math.floor(startAt + offsetUs / 1000 - correctionMs) + signed('spanRaw');
    const measured = {
      durationMs: duration('spanDuration'),
      selfMs: duration('spanSelf'),
      status: optional('spanStatus'),
      error: text('spanError'),
      message: text('spanMessage'),
    };
    const flags = next('spanFlags');
    const uncertaintyMs = duration('spanUncertainty');
    const faults = list('spanFaults');
    const decisions = list('spanDecisions');
    const calls = next('spanCalls');
    const queued = next('spanQueued');
    return {
      ...identity,
      ...measured,
      offsetMs: offsetUs / 1000,
      correctionMs,
      rawAt,
      complete: (flags & SPAN_FLAG.complete) !== 0,
      inferred: (flags & SPAN_FLAG.inferred) !== 0,
      inferredFrom: flags & SPAN_FLAG.byTopology ? 'topology' : flags & SPAN_FLAG.inferred ? 'caller' : null,
      critical: (flags & SPAN_FLAG.critical) !== 0,
      order: flags & SPAN_FLAG.proved ? 'proved' : flags & SPAN_FLAG.withinError ? 'within-clock-error' : null,
      uncertaintyMs,
      faults,
      decisions,
      calls: Array.from({ length: calls }, () => readCall(offsetUs, startAt)),
      queued: Array.from({ length: queued }, () => readSpan(offsetUs, startAt)),
    };
  };

  let startAt = 0;
  return Array.from({ length: count }, () => {
    const traceId = hex('traceIds', 16);
    startAt += signed('flowStart');
    const key = text('flowKey') ?? traceId;
    const durationMs = duration('flowDuration');
    const status = optional('flowStatus');
    const flags = next('flowFlags');
    const warnings = list('flowWarnings');
    const orphans = next('flowOrphans');
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
      orphans: Array.from({ length: orphans }, () => readSpan(0, startAt)),
    };
  });
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

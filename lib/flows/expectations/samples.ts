import { CLIENT_SERVICE } from '../../model/contract';
import type { Event } from '../../model/event';
import type { Subject } from '../../model/scenario';

/** One request, or one attempt of a call. Times in ms. */
export interface Sample {
  /** When it began, in milliseconds since 1970: planned to be sent (the client's), sent, or received. */
  readonly at: number;
  /** From the planned moment; of the client only, null where there was no answer. */
  readonly responseMs: number | null;
  /** From sending or receipt; null where there was no answer. */
  readonly serviceMs: number | null;
  /** No usable answer, or a status of 500 or above. */
  readonly failed: boolean;
}

/** Gathers the samples of some subjects while a run's events go by, in any order of processes. */
export interface Sampler {
  add(event: Event): void;
  /** Of a subject given before, by their beginning. */
  of(subject: Subject | null): readonly Sample[];
}

/** @param run whose requests count */
export function sampler(run: string, subjects: readonly (Subject | null)[]): Sampler {
  const series = new Map<string, Sample[]>(subjects.map((subject) => [JSON.stringify(subject), []]));
  const wanted = [...series].map(([key, samples]) => ({ subject: JSON.parse(key) as Subject | null, samples }));
  const lateness = new Map<string, { readonly sentAt: number; readonly latenessMs: number }>();
  const sorted = new Set<Sample[]>();

  return {
    add(event) {
      if (event.run !== run || event.traceId === undefined) return;
      const { requestId = '', service } = event;
      const isClient = service === CLIENT_SERVICE;
      if (isClient && event.event === 'REQUEST_SENT') {
        lateness.set(requestId, { sentAt: Date.parse(event.timestamp), latenessMs: event.latenessMs ?? 0 });
        return;
      }
      const concerned = wanted.filter(({ subject }) => concerns(subject, event));
      if (concerned.length === 0) return;
      const sample = isClient ? clientSample(event, lateness.get(requestId)) : nodeSample(event);
      for (const { samples } of concerned) samples.push(sample);
      if (isClient) lateness.delete(requestId);
    },
    of(subject) {
      const samples = series.get(JSON.stringify(subject)) ?? [];
      if (!sorted.has(samples)) samples.sort((a, b) => a.at - b.at);
      sorted.add(samples);
      return samples;
    },
  };
}

/** Whether the event ends a request, or an attempt, of the subject. */
function concerns(subject: Subject | null, { event, service, endpoint, callee, status, spanEvents }: Event): boolean {
  const isClient = service === CLIENT_SERVICE;
  if (subject?.kind === 'handled') {
    // The 202 of a `send` says that it was taken in; its work ends with an event of its own.
    const ends = spanEvents !== undefined && !(event === 'RESPONSE_SENT' && status === 202);
    return ends && !isClient && service === subject.service && (subject.endpoint ?? endpoint) === endpoint;
  }
  const ends = event === 'RESPONSE_RECEIVED' || (event === 'ERROR' && (isClient || callee !== undefined));
  if (!ends) return false;
  if (subject === null) return isClient;
  if (service !== subject.from || callee === undefined) return false;
  const { service: to, endpoint: key } = subject;
  return key === null ? callee === to || callee.startsWith(`${to} `) : callee === `${to} ${key}`;
}

function clientSample(
  event: Event,
  sent: { readonly sentAt: number; readonly latenessMs: number } | undefined,
): Sample {
  const { timestamp, durationMs = 0, error } = event;
  const { sentAt, latenessMs } = sent ?? { sentAt: Date.parse(timestamp) - durationMs, latenessMs: 0 };
  // Who waited in vain waited at least so long; any other failure says nothing about time.
  const timed = error === undefined || error.kind === 'TIMEOUT';
  return {
    at: sentAt - latenessMs,
    responseMs: timed ? latenessMs + durationMs : null,
    serviceMs: timed ? durationMs : null,
    failed: hasFailed(event),
  };
}

function nodeSample(event: Event): Sample {
  const { timestamp, durationMs, error } = event;
  const timed = event.event !== 'ERROR' || error?.kind === 'TIMEOUT';
  return {
    at: Date.parse(timestamp) - (durationMs ?? 0),
    responseMs: null,
    serviceMs: timed ? (durationMs ?? null) : null,
    failed: hasFailed(event),
  };
}

function hasFailed({ event, status, error }: Event): boolean {
  return event === 'ERROR' || (status !== undefined ? status >= 500 : error !== undefined);
}

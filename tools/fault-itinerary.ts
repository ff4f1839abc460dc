import { readFileSync } from 'node:fs';
import { calleesByService } from '../lib/model/call-graph';
import { BAGGAGE, HEADERS, ITINERARY } from '../lib/model/contract';
import { parseItinerary } from '../lib/model/itinerary';
import { signOverlay } from '../lib/model/overlay';
import { signToken } from '../lib/model/token';
import type { Service } from '../lib/model/topology';
import { formatTraceparent, newRequestId, newTraceId } from '../lib/model/trace-context';
import { UserError } from '../lib/model/user-error';
import type { ExitCode } from './command';
import type { FaultTarget } from './fault-target';

/** An itinerary may take as long as its faults; the node ends it before. */
const ANSWER_WITHIN_MS = 900_000;

/** Signs an itinerary, sends it where it is let in and prints what came back. */
export async function sendItinerary(
  target: FaultTarget,
  file: string,
  ttlMs: number,
  json: boolean,
): Promise<ExitCode> {
  const { entry, headers, body, traceId } = prepare(target, file, ttlMs);
  return target.through(entry, async (url) => {
    const began = performance.now();
    const init = { method: 'POST', headers, body, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) };
    const answer = await fetch(url + ITINERARY.path, init)
      .then(async (response) => ({ ok: response.ok, status: response.status, text: await response.text() }))
      .catch((error: Error) => ({ ok: false, status: null, text: `no answer: ${reasonOf(error)}` }));
    const { ok, status, text } = answer;
    const tookMs = Math.round(performance.now() - began);
    if (json) process.stdout.write(`${JSON.stringify({ status, tookMs, traceId, answer: parsed(text) })}\n`);
    else {
      process.stdout.write(
        status === null ? `${text}, after ${tookMs} ms\n` : `${status} after ${tookMs} ms: ${text}\n`,
      );
      const { topology, region } = target;
      const where = `--topology ${topology.name}${region === undefined ? '' : ` --region ${region}`}`;
      process.stdout.write(`Timeline: npx ts-node tools/timeline.ts adhoc ${where} --since 5m --flow ${traceId}\n`);
    }
    return ok ? 0 : 1;
  });
}

/** A `curl` that does the same, good until its token expires. */
export function itineraryCurl(target: FaultTarget, file: string, ttlMs: number): Promise<string> {
  const { entry, headers } = prepare(target, file, ttlMs);
  const named = Object.entries(headers).filter(([name]) => name !== HEADERS.traceparent);
  const words = `${named.map(([name, value]) => `-H '${name}: ${value}'`).join(' ')} --data-binary @${quoted(file)}`;
  return target.through(entry, (url) => `curl ${words} ${url}${ITINERARY.path}\n`);
}

/** A `baggage` header that brings the file's rules along with a request that begins at the edge. */
export function overlayHeader(target: FaultTarget, file: string, ttlMs: number): Promise<string> {
  const { topology, key, entries } = target;
  const header = `${BAGGAGE.overlay}=${signOverlay(parseFile(file), key, topology.name, Date.now() + ttlMs)}`;
  return target.through(entries.find(({ edge }) => edge) as Service, () => header);
}

function prepare({ topology, key, entries }: FaultTarget, file: string, ttlMs: number) {
  const body = read(file);
  const entry = entryFor(entries, parseFile(file));
  parseItinerary(parseFile(file), entry.name, calleesByService(topology));
  const traceId = newTraceId();
  const token = signToken(key, { purpose: 'itinerary', topology: topology.name, body }, Date.now() + ttlMs);
  const headers = {
    'content-type': ITINERARY.contentType,
    [HEADERS.token]: token,
    [HEADERS.traceparent]: formatTraceparent(traceId, newRequestId(), '01'),
  };
  return { entry, headers, body, traceId };
}

/** The service that the first stop names, or the only one at the edge. */
function entryFor(entries: readonly Service[], itinerary: unknown): Service {
  const { designation } = (itinerary ?? {}) as { readonly designation?: unknown };
  const host =
    typeof designation === 'string' && URL.canParse(designation) ? new URL(designation).hostname : designation;
  const named = entries.find(({ name }) => name === String(host).split('.')[0]);
  const edges = entries.filter(({ edge }) => edge);
  const [only] = edges;
  if (named) return named;
  if (only && edges.length === 1) return only;
  const remedy = `begin with one of ${edges.map(({ name }) => name).join(', ')}`;
  const problem = `${JSON.stringify(designation)} names no service that can be asked first`;
  throw new UserError({ where: 'designation', problem, remedy });
}

/** `fetch` hides it in the cause. */
function reasonOf({ message, cause }: Error): string {
  return cause instanceof Error ? cause.message : message;
}

function parseFile(file: string): unknown {
  try {
    return JSON.parse(read(file));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError({ where: file, problem: (error as Error).message, remedy: 'correct the JSON' });
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError({
      where: file,
      problem: (error as NodeJS.ErrnoException).code ?? 'unreadable',
      remedy: 'give a readable file',
    });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

import { readFileSync } from 'node:fs';
import { readKey } from '../lib/local/control-client';
import { currentTopology } from '../lib/local/live-change';
import { calleesByService } from '../lib/local/state-folder';
import { BAGGAGE, HEADERS, ITINERARY } from '../lib/model/contract';
import type { Deployment } from '../lib/model/deployment';
import { parseItinerary } from '../lib/model/itinerary';
import { signOverlay } from '../lib/model/overlay';
import { edgePrefix } from '../lib/model/slice';
import { signToken } from '../lib/model/token';
import type { Service, Topology } from '../lib/model/topology';
import { formatTraceparent, newRequestId, newTraceId } from '../lib/model/trace-context';
import { UserError } from '../lib/model/user-error';
import type { ExitCode } from './command';
import type { LiveTarget } from './live-target';

/** An itinerary may take as long as its faults; the node ends it before. */
const ANSWER_WITHIN_MS = 900_000;

/** Signs an itinerary, sends it to the edge and prints what came back. */
export async function sendItinerary(target: LiveTarget, file: string, ttlMs: number, json: boolean): Promise<ExitCode> {
  const { url, headers, body, traceId } = prepare(target, file, ttlMs);
  const began = performance.now();
  const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  const text = await response.text();
  const tookMs = Math.round(performance.now() - began);
  const { name } = target.deployment.topology;
  if (json)
    process.stdout.write(`${JSON.stringify({ status: response.status, tookMs, traceId, answer: parsed(text) })}\n`);
  else {
    process.stdout.write(`${response.status} after ${tookMs} ms: ${text}\n`);
    process.stdout.write(
      `Timeline: npx ts-node tools/timeline.ts adhoc --topology ${name} --since 5m --flow ${traceId}\n`,
    );
  }
  return response.ok ? 0 : 1;
}

/** A `curl` that does the same, good until its token expires. */
export function itineraryCurl(target: LiveTarget, file: string, ttlMs: number): string {
  const { url, headers } = prepare(target, file, ttlMs);
  const named = Object.entries(headers).filter(([name]) => name !== HEADERS.traceparent);
  return `curl ${named.map(([name, value]) => `-H '${name}: ${value}'`).join(' ')} --data-binary @${quoted(file)} ${url}\n`;
}

/** A `baggage` header that brings the file's rules along. */
export function overlayHeader({ deployment, folder }: LiveTarget, file: string, ttlMs: number): string {
  requireOpenEdge(deployment);
  const { name } = deployment.topology;
  return `${BAGGAGE.overlay}=${signOverlay(parseFile(file), readKey(folder), name, Date.now() + ttlMs)}`;
}

function prepare({ deployment, folder }: LiveTarget, file: string, ttlMs: number) {
  requireOpenEdge(deployment);
  const body = read(file);
  const topology = currentTopology(folder, deployment);
  const edge = edgeFor(topology, parseFile(file));
  parseItinerary(parseFile(file), edge.name, calleesByService(topology));
  const traceId = newTraceId();
  const token = signToken(readKey(folder), { purpose: 'itinerary', topology: topology.name, body }, Date.now() + ttlMs);
  const headers = {
    'content-type': ITINERARY.contentType,
    [HEADERS.token]: token,
    [HEADERS.traceparent]: formatTraceparent(traceId, newRequestId(), '01'),
  };
  return { url: `${deployment.url}${edgePrefix(topology, edge)}${ITINERARY.path}`, headers, body, traceId };
}

function requireOpenEdge({ publicFaults, url }: Deployment): void {
  if (publicFaults) return;
  const remedy = 'start it with: npx ts-node tools/local.ts <topology> --public-faults';
  throw new UserError({ where: url, problem: 'itineraries and overlays are switched off at the edge', remedy });
}

/** The edge service that the first stop names, or the only one. */
function edgeFor({ services }: Topology, itinerary: unknown): Service {
  const edges = Object.values(services).filter(({ edge }) => edge);
  const { designation } = (itinerary ?? {}) as { readonly designation?: unknown };
  const host =
    typeof designation === 'string' && URL.canParse(designation) ? new URL(designation).hostname : designation;
  const named = edges.find(({ name }) => name === String(host).split('.')[0]);
  const [only] = edges;
  if (named) return named;
  if (only && edges.length === 1) return only;
  const remedy = `begin with one of ${edges.map(({ name }) => name).join(', ')}`;
  throw new UserError({
    where: 'designation',
    problem: `${JSON.stringify(designation)} names no service at the edge`,
    remedy,
  });
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

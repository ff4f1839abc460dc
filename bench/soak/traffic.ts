import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import type { LoadResult } from '../../lib/load/run-load';
import { readKey } from '../../lib/local/control-client';
import type { LocalRun } from '../../lib/local/launch';
import { HEADERS, ITINERARY } from '../../lib/model/contract';
import { edgePrefix } from '../../lib/model/slice';
import { signToken } from '../../lib/model/token';
import type { Topology } from '../../lib/model/topology';
import type { Random } from '../../test/support/random';
import { pick, whole } from './fault-plan';

const ROOT = join(__dirname, '..', '..');
const ITINERARY_EVERY_MS = 1_500;
const ITINERARY_WITHIN_MS = 30_000;

/** Runs a command of this repository in `cwd`, its errors shown; what it printed and its exit code. */
export async function command(cwd: string, tool: string, args: readonly string[]) {
  const tsNode = join(ROOT, 'node_modules', 'ts-node', 'dist', 'bin.js');
  const child = spawn(process.execPath, [tsNode, join(ROOT, 'tools', `${tool}.ts`), ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = new Promise<number>((done) => child.on('close', (code) => done(code ?? 1)));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  if (stdout === '') throw new Error(`tools/${tool}.ts ended with ${code}: ${stderr}`);
  return { stdout, code };
}

/** Open-loop traffic as a run of its own. */
export async function traffic(
  cwd: string,
  deployment: string,
  rate: number,
  durationMs: number,
  seed: string,
  more: readonly string[] = [],
): Promise<LoadResult> {
  const plan = ['--rate', String(rate), '--duration', `${Math.round(durationMs)}ms`, '--arrivals', 'poisson'];
  const { stdout } = await command(cwd, 'load', [deployment, ...plan, '--seed', seed, '--json', ...more]);
  return JSON.parse(stdout) as LoadResult;
}

/** A file with an overlay that strikes some edge requests and calls. */
export function writeOverlay(cwd: string, { services }: Topology, random: Random): string {
  const callers = Object.values(services).filter(({ callees }) => callees.length > 0);
  const [from, slow] = [pick(callers, random), pick(Object.values(services), random)];
  const rules = [
    { service: slow.name, type: 'latency', args: { delay: whole(random, 5, 200) }, at: 'before', probability: 0.5 },
    { service: from.name, type: 'error', args: { status: 503 }, at: 'call', nth: 1, probability: 0.3 },
    { service: slow.name, type: 'truncate', at: 'after', probability: 0.1 },
    { service: from.name, type: 'reset', at: 'call', probability: 0.05 },
  ];
  const path = join(cwd, 'overlay.json');
  writeFileSync(path, JSON.stringify(rules));
  return path;
}

/** What itineraries were answered: status, or the kind of error, with how many. */
export type ItineraryAnswers = Readonly<Record<string, number>>;

/** Sends an itinerary every now and then along random calls of the topology. */
export async function itineraries(run: LocalRun, durationMs: number, random: Random): Promise<ItineraryAnswers> {
  const { topology, url } = run.deployment;
  const scope = { key: readKey(run.folder), topology: topology.name };
  const edges = Object.values(topology.services).filter(({ edge }) => edge);
  const answers: Record<string, number> = {};
  const under: Promise<void>[] = [];
  const endsAt = performance.now() + durationMs;
  while (performance.now() < endsAt) {
    const edge = pick(edges, random);
    const body = JSON.stringify(itinerary(topology, edge.name, random));
    const address = `${url}${edgePrefix(topology, edge)}${ITINERARY.path}`;
    under.push(
      sendItinerary(address, body, scope).then((answer) => {
        answers[answer] = (answers[answer] ?? 0) + 1;
      }),
    );
    await wait(ITINERARY_EVERY_MS);
  }
  await Promise.all(under);
  return answers;
}

async function sendItinerary(
  url: string,
  body: string,
  { key, topology }: { readonly key: string; readonly topology: string },
): Promise<string> {
  const token = signToken(key, { purpose: 'itinerary', topology, body }, Date.now() + 60_000);
  const trace = `00-${randomUUID().replaceAll('-', '')}-00f067aa0ba902b7-01`;
  const headers = { 'content-type': ITINERARY.contentType, [HEADERS.token]: token, [HEADERS.traceparent]: trace };
  const signal = AbortSignal.timeout(ITINERARY_WITHIN_MS);
  try {
    const response = await fetch(url, { method: 'POST', headers, body, signal });
    await response.text();
    return String(response.status);
  } catch (error) {
    return (error as Error).name === 'TimeoutError' ? 'no answer in time' : 'broken connection';
  }
}

function itinerary({ services }: Topology, service: string, random: Random): object {
  const callees = services[service]?.callees ?? [];
  const faults = {
    before: random.next() < 0.6 ? [{ type: 'latency', args: { delay: whole(random, 1, 60) } }] : [],
    after: random.next() < 0.3 ? [{ type: 'memory-leak', args: { size: 2, duration: 300 } }] : [],
  };
  const onward = callees.length > 0 && random.next() < 0.8;
  return {
    designation: service,
    faults,
    payload: onward ? itinerary({ services } as Topology, pick(callees, random), random) : null,
  };
}

import type { ChildProcess } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { loadTopology } from '../../lib/model/load-topology';
import type { ManifestRecord } from '../../lib/model/manifest';
import { newRunId } from '../../lib/model/run-id';
import { type SimulationOptions, simulate } from './simulate';
import { toolsIn } from './tool';

const topology = loadTopology('shop', { cwd: join(__dirname, '..', '..') });

interface GrowingOptions extends Omit<SimulationOptions, 'topology' | 'run'> {
  /** Parts of files end with a line, else wherever it falls. */
  readonly byLines?: boolean;
}

/** A simulated run of the shop whose folder is not there yet, and what writes it. */
export function growingLogs(
  t: ExecutionContext,
  { byLines = false, rate = 1, startAt = Date.now(), ...options }: GrowingOptions,
) {
  const run = newRunId('shop', new Date());
  const simulation = simulate({ topology, run, rate, startAt, ...options });
  const cwd = mkdtempSync(join(tmpdir(), 'microcosm-follow-'));
  t.teardown(() => rmSync(cwd, { recursive: true, force: true }));
  const folder = join(cwd, '.microcosm', 'runs', run);
  const texts = new Map(
    Array.from(simulation.files, ([file, lines]) => [file, lines.map((line) => `${line}\n`).join('')]),
  );
  const put = (wanted: ManifestRecord['record']): void => {
    const line = JSON.stringify(simulation.manifest.find(({ record }) => record === wanted));
    appendFileSync(join(folder, 'manifest.jsonl'), `${line}\n`);
  };
  const files = [...texts.keys()];
  const path = (file: string): string => join(folder, file);
  const part = (text: string, from: number, to: number): string => {
    const [start = 0, end = 0] = [from, to].map((share) => {
      const at = Math.floor(share * text.length);
      return byLines && at > 0 ? text.lastIndexOf('\n', at - 1) + 1 : at;
    });
    return text.slice(start, end);
  };
  const write = (file: string, from: number, to: number): void => {
    appendFileSync(path(file), part(texts.get(file) ?? '', from, to));
  };
  const countTraces = (parts: Iterable<string>): ReadonlyMap<string, number> => {
    const counts = new Map<string, number>();
    for (const part of parts) {
      for (const [, traceId = ''] of part.matchAll(/"traceId":"([0-9a-f]{32})".*\n/g)) {
        counts.set(traceId, (counts.get(traceId) ?? 0) + 1);
      }
    }
    return counts;
  };
  return {
    run,
    cwd,
    simulation,
    files,
    path,
    tool: toolsIn(cwd),
    begin(): void {
      mkdirSync(folder, { recursive: true });
      put('start');
    },
    /** A part of one file, from one share of its length to another. */
    write,
    /** That part of each. */
    writeAll(from: number, to: number, except: readonly string[] = []): void {
      for (const file of files) if (!except.includes(file)) write(file, from, to);
    },
    /** How many flows have all their lines in that part of each file, from its start. */
    flowsWithin(share: number): number {
      const all = countTraces(texts.values());
      const within = countTraces(Array.from(texts.values(), (text) => part(text, 0, share)));
      return [...within].filter(([traceId, lines]) => lines === all.get(traceId)).length;
    },
    end: () => put('end'),
  };
}

/** Resolves once a follower told on standard error that it reads. */
export function following(child: ChildProcess): Promise<void> {
  return heard(child.stderr, (text) => text.includes('following '));
}

/** Resolves once a follower told that it waits for its run to begin. */
export function waiting(child: ChildProcess): Promise<void> {
  return heard(child.stderr, (text) => text.includes('waiting for '));
}

/** Resolves once so many lines came on standard output. */
export function linesFrom(child: ChildProcess, lines: number): Promise<void> {
  return heard(child.stdout, (text) => text.split('\n').length > lines);
}

function heard(stream: ChildProcess['stdout'], enough: (text: string) => boolean): Promise<void> {
  let text = '';
  return new Promise((settle, fail) => {
    stream?.on('data', (piece: Buffer) => {
      text += piece.toString();
      if (enough(text)) settle();
    });
    stream?.once('close', () => fail(new Error(`it ended, after: ${text.slice(-500)}`)));
  });
}

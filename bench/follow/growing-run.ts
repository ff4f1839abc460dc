import { appendFileSync, closeSync, mkdirSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { STATE } from '../../lib/model/contract';
import type { ManifestRecord } from '../../lib/model/manifest';
import { newRunId } from '../../lib/model/run-id';
import type { Topology } from '../../lib/model/topology';
import { simulateInto } from '../../test/support/simulate';
import { lineOf } from '../../test/support/simulated-log';

/** A simulated run whose lines wait in a file, in the order of true time, to be written to its logs at a given rate. */
export interface GrowingRun {
  readonly run: string;
  /** Of its manifest and logs. */
  readonly folder: string;
  readonly requests: number;
  readonly events: number;
  /** Milliseconds by `performance.now()` when a flow's last line so far was written, by trace id. */
  readonly lastWrittenMs: ReadonlyMap<string, number>;
  begin(): void;
  /** Writes further events, about so many, at so many a second. */
  write(events: number, perSecond: number): Promise<void>;
  end(): void;
}

/** Events of a request of the shop, on average. */
export const EVENTS_PER_REQUEST = 33.6;
/** So often a node writes what it logged. */
const SLICE_MS = 10;
const READ_BYTES = 256 * 1024;

/** @param cwd the directory that holds `.microcosm` */
export function growingRun(cwd: string, topology: Topology, events: number, perSecond: number): GrowingRun {
  const run = newRunId(topology.name, new Date());
  const requests = Math.ceil(events / EVENTS_PER_REQUEST);
  const staged = join(cwd, `${run}.staged`);
  const { manifest, count, files } = stage(staged, { topology, run, requests, rate: perSecond / EVENTS_PER_REQUEST });
  const folder = join(cwd, STATE.runs, run);
  const lastWrittenMs = new Map<string, number>();
  const lines = linesOf(staged);
  const descriptors: number[] = [];
  const put = (record: ManifestRecord['record']): void => {
    const line = JSON.stringify(manifest.find((one) => one.record === record));
    appendFileSync(join(folder, STATE.manifest), `${line}\n`);
  };

  /** As nodes do, each file's lines of some milliseconds in one write. */
  const slice = (most: number): number => {
    const texts = new Map<number, string>();
    const traces: string[] = [];
    let taken = 0;
    for (; taken < most; taken++) {
      const { value, done } = lines.next();
      if (done) break;
      const [file = '', traceId = ''] = value.split('\t', 2);
      traces.push(traceId);
      texts.set(Number(file), `${texts.get(Number(file)) ?? ''}${value.slice(file.length + traceId.length + 2)}\n`);
    }
    for (const [file, text] of texts) writeSync(descriptors[file] as number, text);
    const nowMs = performance.now();
    for (const traceId of traces) lastWrittenMs.set(traceId, nowMs);
    return taken;
  };

  return {
    run,
    folder,
    requests,
    events: count,
    lastWrittenMs,
    begin() {
      mkdirSync(folder, { recursive: true });
      put('start');
      for (const file of files) descriptors.push(openSync(join(folder, file), 'a'));
    },
    async write(wanted, rate) {
      const startMs = performance.now();
      for (let written = 0; written < wanted; ) {
        const due = Math.min(wanted, ((performance.now() - startMs) * rate) / 1000);
        const taken = slice(Math.ceil(due - written));
        if (taken === 0 && due > written) return;
        written += taken;
        await pause(SLICE_MS);
      }
    },
    end() {
      put('end');
      for (const descriptor of descriptors) closeSync(descriptor);
    },
  };
}

function stage(path: string, options: Parameters<typeof simulateInto>[0]) {
  const files: string[] = [];
  const keys = Array.from({ length: options.requests }, (_, index) => `k${index}-3c9956667330`);
  writeFileSync(path, '');
  let text = '';
  let count = 0;
  const { manifest } = simulateInto({ ...options, keys, startAt: Date.now() }, ({ file, event }) => {
    let index = files.indexOf(file);
    if (index < 0) index = files.push(file) - 1;
    text += `${index}\t${event.traceId ?? ''}\t${lineOf(event)}\n`;
    count += 1;
    if (text.length < READ_BYTES) return;
    appendFileSync(path, text);
    text = '';
  });
  appendFileSync(path, text);
  return { manifest, files, count };
}

function* linesOf(path: string): Generator<string, void> {
  const descriptor = openSync(path, 'r');
  const buffer = Buffer.alloc(READ_BYTES);
  let rest = '';
  try {
    for (let got = readSync(descriptor, buffer); got > 0; got = readSync(descriptor, buffer)) {
      const lines = (rest + buffer.toString('latin1', 0, got)).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    closeSync(descriptor);
  }
}

import { readFile, stat } from 'node:fs/promises';
import type { ManifestRecord, ManifestStep } from '../model/manifest';
import { NO_MANIFEST, type RunManifest } from './log-source';
import { unreadable } from './read-file';

/**
 * Reads a run's manifest file. A missing file is an empty manifest; half-written and foreign lines, and records of other
 * runs, are counted.
 *
 * @throws UserError where the file is there and can't be read
 */
export async function readManifest(path: string, run: string): Promise<RunManifest> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NO_MANIFEST;
    throw unreadable(path, error);
  }
  return parseManifest(text.split('\n'), run);
}

/** Reads a manifest file that grows, and only when it did: the topology in it may be large. */
export function manifestReader(path: string, run: string): () => Promise<RunManifest> {
  let known = NO_MANIFEST;
  let stamp = '';
  return async () => {
    const found = await stat(path).catch(() => undefined);
    const now = found ? `${found.ino} ${found.size} ${found.mtimeMs}` : '';
    if (now !== stamp) known = await readManifest(path, run);
    stamp = now;
    return known;
  };
}

/** The first start record, the last end record, and the scenario's among lines. A step that is there twice counts once. */
export function parseManifest(lines: Iterable<string>, run: string): RunManifest {
  let manifest = NO_MANIFEST;
  const steps = new Map<string, ManifestStep>();
  for (const line of lines) {
    if (line.trim() === '') continue;
    const record = parseRecord(line);
    if (record?.run !== run) manifest = { ...manifest, foreign: manifest.foreign + 1 };
    else if (record.record === 'end') manifest = { ...manifest, end: record };
    else if (record.record === 'step') steps.set(`${record.what} ${record.step} ${record.timestamp}`, record);
    else if (record.record === 'scenario') manifest = { ...manifest, scenario: record };
    else if (manifest.start === null) manifest = { ...manifest, start: record };
  }
  return { ...manifest, steps: [...steps.values()].sort((a, b) => a.atMs - b.atMs) };
}

/** The manifest record on a line, or undefined for any other text. */
export function parseRecord(line: string): ManifestRecord | undefined {
  let value: Partial<ManifestRecord> | null;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (value === null || typeof value !== 'object') return undefined;
  if (!RECORDS.includes(value.record as string) || typeof value.run !== 'string' || typeof value.timestamp !== 'string')
    return undefined;
  if (value.record === 'end' && !(Number.isInteger(value.sent) && Number.isInteger(value.lastSeq))) return undefined;
  if (value.record === 'scenario' && !(Array.isArray(value.scenario?.steps) && Array.isArray(value.scenario.expect))) {
    return undefined;
  }
  if (value.record === 'step' && !(typeof value.step === 'string' && Array.isArray(value.instances))) return undefined;
  return value as ManifestRecord;
}

const RECORDS: readonly string[] = ['start', 'scenario', 'step', 'end'] satisfies ManifestRecord['record'][];

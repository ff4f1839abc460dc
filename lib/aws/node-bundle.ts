import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BuildOptions } from 'esbuild';

const ROOT = join(__dirname, '..', '..');
const CACHE = join(ROOT, 'node_modules', '.cache', 'microcosm');

const OPTIONS = {
  absWorkingDir: ROOT,
  entryPoints: ['service/main.ts'],
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  minify: true,
  keepNames: true,
  legalComments: 'none',
  write: false,
  metafile: true,
  logLevel: 'silent',
} as const satisfies BuildOptions;

/** Besides its inputs: which version of a package an import means. */
const RESOLUTION = ['package-lock.json', 'tsconfig.json'];

interface Kept {
  /** Paths of all that it was made of, relative to the project. */
  readonly inputs: readonly string[];
  /** Of their content. */
  readonly hash: string;
  readonly program: string;
}

/**
 * The node's program as one file of CommonJS, the same for the same sources wherever it is built; bundled anew only when
 * one of its inputs has changed.
 *
 * @param cache folder to keep it in
 */
export function bundleNode(cache = CACHE): string {
  const file = join(cache, 'node-bundle.json');
  const kept = readKept(file);
  if (kept && hashOf(kept.inputs) === kept.hash) return kept.program;
  const { buildSync } = require('esbuild') as typeof import('esbuild');
  const { outputFiles, metafile } = buildSync(OPTIONS);
  const inputs = [...RESOLUTION, ...Object.keys(metafile.inputs).sort()];
  const program = outputFiles[0]?.text ?? '';
  keep(file, cache, { inputs, hash: hashOf(inputs), program });
  return program;
}

function hashOf(inputs: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(OPTIONS));
  for (const input of inputs) {
    const file = join(ROOT, input);
    hash.update(`\n${input}\n`).update(existsSync(file) ? readFileSync(file) : 'gone');
  }
  return hash.digest('hex');
}

function readKept(file: string): Kept | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Kept;
  } catch {
    // Cut short by a full disk: it is made anew.
    return undefined;
  }
}

/** A folder that can't be written to costs time, and nothing else. */
function keep(file: string, cache: string, kept: Kept): void {
  const draft = `${file}.${process.pid}`;
  try {
    mkdirSync(cache, { recursive: true });
    writeFileSync(draft, JSON.stringify(kept));
    renameSync(draft, file);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EACCES', 'EROFS', 'EPERM', 'ENOSPC'].includes(code)) throw error;
  }
}

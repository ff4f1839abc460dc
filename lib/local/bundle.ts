import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join, relative } from 'node:path';
import { makeCodeCache } from './code-cache';
import type { NodeBundle } from './node-process';

const ROOT = join(__dirname, '..', '..');
/** V8 would shrink the heap of an idle node, which then runs at a half of its speed for the next second of traffic. */
const FLAGS = ['--no-memory-reducer'];
/** Bundles that are kept; one that a deployment of the last day may still restart nodes from always is. */
const KEPT = 3;
const KEPT_MS = 86_400_000;

/**
 * The bundled node from the cache, made first where its sources, its dependencies or this Node.js have changed.
 *
 * @param cache folder of all bundles; made when missing
 */
export function bundleNode(cache: string): Promise<NodeBundle> {
  const folder = join(cache, contentKey());
  const making = underWay.get(folder) ?? bundleInto(folder, cache).finally(() => underWay.delete(folder));
  underWay.set(folder, making);
  return making;
}

/** By folder. */
const underWay = new Map<string, Promise<NodeBundle>>();

async function bundleInto(folder: string, cache: string): Promise<NodeBundle> {
  const bundle: NodeBundle = { file: join(folder, 'boot.cjs'), flags: FLAGS };
  if (existsSync(bundle.file)) {
    utimesSync(folder, new Date(), new Date());
    return bundle;
  }
  // Launches of several processes may make it at the same time: each in a folder of its own, and the first rename wins.
  const draft = `${folder}.${process.pid}.${Date.now()}`;
  mkdirSync(draft, { recursive: true });
  try {
    await build(draft);
    await makeCodeCache({ file: join(draft, 'boot.cjs'), flags: FLAGS }, draft);
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(bundle.file)) throw error;
  }
  prune(cache);
  return bundle;
}

async function build(folder: string): Promise<void> {
  const esbuild = await import('esbuild');
  const entries = { node: join(ROOT, 'service', 'main.ts'), boot: join(ROOT, 'lib', 'local', 'boot.ts') };
  await esbuild.build({
    entryPoints: entries,
    outdir: folder,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // Names are kept, for stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'silent',
  });
}

/** Of everything that the bundle is made from; the lock file stands for what is in node_modules. */
function contentKey(): string {
  const hash = createHash('sha256').update(`${process.version} ${process.arch} ${FLAGS.join(' ')}\n`);
  const files = [
    join(ROOT, 'package-lock.json'),
    join(ROOT, 'lib', 'local', 'boot.ts'),
    join(ROOT, 'lib', 'local', 'bundle.ts'),
    ...sources(join(ROOT, 'service')),
    ...sources(join(ROOT, 'lib', 'model')),
  ];
  for (const file of files) {
    hash.update(`${relative(ROOT, file)}\n`).update(existsSync(file) ? readFileSync(file) : '');
  }
  return hash.digest('hex').slice(0, 16);
}

function sources(folder: string): readonly string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function prune(cache: string): void {
  const folders = readdirSync(cache)
    .flatMap((name) => {
      const folder = join(cache, name);
      const used = statSync(folder, { throwIfNoEntry: false })?.mtimeMs;
      return used === undefined ? [] : [{ folder, used }];
    })
    .sort((a, b) => b.used - a.used);
  for (const { folder, used } of folders.slice(KEPT)) {
    if (Date.now() - used > KEPT_MS) rmSync(folder, { recursive: true, force: true });
  }
}

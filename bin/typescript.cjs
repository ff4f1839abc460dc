// Loads the project's TypeScript as ts-node does, and remembers what that made of each file: the compiler alone would take
// longer than all the rest of a synthesis, and four fifths of a command's time. Preloaded by cdk.json, by the tests, and by
// ts-node itself as tsconfig.json asks it to.
// MICROCOSM_TYPESCRIPT_CACHE names another folder to remember it in.
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { dirname, join, relative, sep } = require('node:path');

const ROOT = dirname(__dirname);
const CACHE = process.env.MICROCOSM_TYPESCRIPT_CACHE || join(ROOT, 'node_modules', '.cache', 'microcosm', 'typescript');
const OPTIONS = { cwd: ROOT, transpileOnly: true };

/** What the output depends on, beside the file itself. */
const COMMON = ['ts-node', 'typescript']
  .map((name) => require(`${name}/package.json`).version)
  .concat(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'))
  .join('\n');

let compiler;

/** @returns the output from the cache, whose last line says what it was made from, or else made anew */
function compiled(file) {
  const source = readFileSync(file, 'utf8');
  const name = relative(ROOT, file);
  const stamp = `// ${createHash('sha256')
    .update(JSON.stringify([COMMON, name, source]))
    .digest('hex')}`;
  const cached = join(CACHE, `${name.replaceAll(sep, '+')}.js`);
  const known = readIfThere(cached);
  if (known?.endsWith(stamp)) return known;
  compiler ??= require('ts-node').create(OPTIONS);
  const output = `${compiler.compile(source, file)}\n${stamp}`;
  remember(cached, output);
  return output;
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A folder that can't be written to, or that somebody empties meanwhile, costs time and nothing else. */
function remember(file, output) {
  const draft = `${file}.${process.pid}`;
  try {
    mkdirSync(CACHE, { recursive: true });
    writeFileSync(draft, output);
    renameSync(draft, file);
  } catch (error) {
    if (!['EACCES', 'EROFS', 'EPERM', 'ENOSPC', 'ENOENT'].includes(error.code)) throw error;
  }
}

function isOwn(file) {
  const path = relative(ROOT, file);
  return !path.startsWith('..') && !path.split(sep).includes('node_modules');
}

/** What ts-node has set up where it runs the program. */
const tsNode = require.extensions['.ts'] && {
  load: require.extensions['.ts'],
  prepareStackTrace: Error.prepareStackTrace,
};

/** A file of somebody else's folder, whose settings ts-node knows how to find, is left to it, and all that come after. */
require.extensions['.ts'] = (module, file) => {
  if (isOwn(file)) return module._compile(compiled(file), file);
  if (tsNode) {
    require.extensions['.ts'] = tsNode.load;
    Error.prepareStackTrace = tsNode.prepareStackTrace;
  } else {
    delete require.extensions['.ts'];
    require('ts-node').register(OPTIONS);
  }
  return require.extensions['.ts'](module, file);
};
// Node reads the source maps of remembered files, ts-node only those of what it has compiled in this process.
if (tsNode) Error.prepareStackTrace = undefined;
process.setSourceMapsEnabled(true);

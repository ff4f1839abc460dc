import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

/**
 * First file of a local node's process: runs the bundle beside it with V8's code cache, which spares compiling it in
 * every process. Bundled on its own; nothing imports it.
 */
const file = join(__dirname, 'node.cjs');
const cacheFile = join(__dirname, 'node.cache');
const cachedData = existsSync(cacheFile) ? readFileSync(cacheFile) : undefined;
// The bundle is ASCII: read as such it takes one byte a character in memory, not two.
const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'latin1')}\n})`;
const script = new Script(source, { filename: file, ...(cachedData && { cachedData }) });

if (process.env.MICROCOSM_WRITE_CODE_CACHE) {
  process.on('exit', () => {
    writeFileSync(`${cacheFile}.tmp`, script.createCachedData());
    renameSync(`${cacheFile}.tmp`, cacheFile);
  });
}

script.runInThisContext()(module.exports, require, module, file, __dirname);

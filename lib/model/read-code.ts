import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { compileFunction } from 'node:vm';
import { UserError } from './user-error';

export const CODE_EXTENSIONS: readonly string[] = ['.ts', '.js', '.cts', '.cjs', '.mjs'];

/** Runs the file, TypeScript by way of ts-node where the process was not started with something that loads it. */
export function readCode(file: string, shown: string): unknown {
  if (file.endsWith('ts')) registerTypeScript();
  delete require.cache[require.resolve(file)];
  let module: unknown;
  try {
    module = run(file);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError({
      where: shown,
      problem: `does not load: ${codeProblem(error, file)}`,
      remedy: 'correct the file',
    });
  }
  const value = defaultExport(module);
  if (value === undefined) {
    throw new UserError({
      where: shown,
      problem: 'has no default export',
      remedy: 'write `export default topology({ services: { ... } })`',
    });
  }
  return value;
}

/** A .ts file that its folder's package.json makes an ES module can't be required; it is translated first. */
function run(file: string): unknown {
  try {
    return require(file);
  } catch (error) {
    const isModule = error instanceof Error && 'code' in error && error.code === 'ERR_REQUIRE_ESM';
    if (!isModule || !file.endsWith('ts') || !error.message.includes(file)) throw error;
  }
  const typescript = require('typescript') as typeof import('typescript');
  const { outputText } = typescript.transpileModule(readFileSync(file, 'utf8'), {
    compilerOptions: { module: typescript.ModuleKind.CommonJS, target: typescript.ScriptTarget.ES2023 },
  });
  const module = { exports: {} };
  const parameters = ['module', 'exports', 'require', '__filename', '__dirname'];
  compileFunction(outputText, parameters, { filename: file })(
    module,
    module.exports,
    createRequire(file),
    file,
    dirname(file),
  );
  return module.exports;
}

function registerTypeScript(): void {
  if ('.ts' in require.extensions) return;
  const { register } = require('ts-node') as typeof import('ts-node');
  register({ cwd: join(__dirname, '..', '..'), transpileOnly: true });
}

/** `module.exports = spec` counts as a default export too. */
function defaultExport(module: unknown): unknown {
  if (module === null || typeof module !== 'object') return undefined;
  if ('default' in module) return module.default;
  const isCommonJs = !('__esModule' in module) && !(Symbol.toStringTag in module);
  return isCommonJs && 'services' in module ? module : undefined;
}

/** What went wrong on one line: the compiler's diagnostics, or the error's message and where in the file it came from. */
function codeProblem(error: unknown, file: string): string {
  if (error !== null && typeof error === 'object' && 'diagnosticText' in error) {
    return String(error.diagnosticText)
      .trim()
      .replaceAll(/\s*\n\s*/g, ' ');
  }
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const at = stack.split('\n').find((line) => line.includes(`${file}:`));
  const position = at && /:(\d+):\d+\)?$/.exec(at)?.[1];
  return firstLine(error) + (position ? ` (line ${position})` : '');
}

export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n')[0] ?? text;
}

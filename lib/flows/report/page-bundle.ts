import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, transform } from 'esbuild';

export interface PageBundle {
  readonly script: string;
  readonly style: string;
}

/** The page's script and style, made of their sources beside this file; for browsers since May 2024 (`light-dark()`). */
export async function pageBundle(): Promise<PageBundle> {
  const [{ outputFiles }, style] = await Promise.all([
    build({
      entryPoints: [join(__dirname, 'page', 'main.ts')],
      bundle: true,
      write: false,
      minify: true,
      format: 'iife',
      target: 'es2022',
      charset: 'ascii',
      logLevel: 'silent',
      tsconfigRaw: {},
    }),
    readFile(join(__dirname, 'report.css'), 'utf8').then((css) => transform(css, { loader: 'css', minify: true })),
  ]);
  const [script] = outputFiles;
  if (!script) throw new Error("the page's script was not built");
  // Neither may end its element; esbuild writes `</script` as `<\/script` itself.
  return { script: script.text.trim(), style: style.code.trim().replaceAll('</', '<\\/') };
}

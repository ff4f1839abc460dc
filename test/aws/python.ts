import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command, ROOT, succeed } from './command';
import { CannotRun } from './proof';

/** What takes long to make is kept here between runs; `npm ci` removes it. */
export const CACHE = join(ROOT, 'node_modules', '.cache', 'microcosm-aws');

const PACKAGES = ['moto[server]==5.2.5', 'cfn-lint==1.58.0', 'awscli'];

let made: Promise<string> | undefined;

/** Folder of the environment's modules, for another interpreter of the same language. */
export async function pythonModules(): Promise<string> {
  const { stdout } = await succeed(join(await python(), 'python'), [
    '-c',
    'import sysconfig; print(sysconfig.get_path("purelib"))',
  ]);
  return stdout.trim();
}

/** Folder of the programs of a Python environment with the emulator and the linter, made on first use. */
export function python(): Promise<string> {
  made ??= make();
  return made;
}

async function make(): Promise<string> {
  const folder = join(CACHE, 'python');
  const programs = join(folder, 'bin');
  const stamp = join(folder, `${PACKAGES.join('+').replaceAll(/[^\w.+-]/g, '_')}.made`);
  if (existsSync(stamp)) return programs;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(CACHE, { recursive: true });
  const venv = await command('python3', ['-m', 'venv', folder]).catch((error: Error) => {
    throw new CannotRun(`python3: ${error.message}`);
  });
  if (venv.code !== 0) throw new CannotRun(`python3 -m venv: ${venv.stderr || venv.stdout}`);
  const pip = await command(join(programs, 'python'), ['-m', 'pip', 'install', '--quiet', ...PACKAGES]);
  if (pip.code !== 0) throw new CannotRun(`pip install ${PACKAGES.join(' ')}: ${pip.stderr.slice(-600)}`);
  writeFileSync(stamp, '');
  return programs;
}

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import test from 'ava';
import { preProcessFile } from 'typescript';

const root = join(__dirname, '..');

/** What the files of each folder may import of the project's own; the longest matching folder counts. */
const WALLS: Readonly<Record<string, readonly string[]>> = {
  'lib/model': ['lib/model'],
  topologies: ['topologies', 'lib/model'],
  service: ['service', 'lib/model'],
  'lib/local': ['lib/local', 'lib/model'],
  'lib/aws': ['lib/aws', 'lib/model'],
  'lib/load': ['lib/load', 'lib/model'],
  'lib/logs': ['lib/logs', 'lib/model'],
  'lib/flows': ['lib/flows', 'lib/model'],
  bin: ['lib/aws', 'lib/model'],
  tools: ['tools', 'lib'],
};

/** Packages that only the folders named may import. */
const OWNED_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  koa: ['service'],
  '@koa/router': ['service'],
  winston: ['service'],
  'winston-transport': ['service'],
  got: ['service'],
  undici: ['service'],
  'aws-cdk-lib': ['bin', 'lib/aws'],
  constructs: ['bin', 'lib/aws'],
  'cdk-nag': ['bin', 'lib/aws'],
  '@aws-sdk/client-cloudwatch-logs': ['lib/logs'],
  '@aws-sdk/client-cloudformation': ['lib/logs'],
  'dns-packet': ['lib/local'],
  commander: ['tools'],
};

interface Import {
  readonly file: string;
  readonly specifier: string;
  /** Project path without extension for a relative import, else the package's name. */
  readonly target: string;
  readonly relative: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name).split(sep).join('/'));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  return preProcessFile(text, true, true).importedFiles.map(({ fileName: specifier }) => {
    const isRelative = specifier.startsWith('.');
    const target = isRelative
      ? relative(root, join(root, dirname(file), specifier))
          .split(sep)
          .join('/')
      : specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/');
    return { file, specifier, target, relative: isRelative };
  });
}

function within(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path === folder || path.startsWith(`${folder}/`));
}

const existing = Object.keys(WALLS).filter((folder) => {
  try {
    return readdirSync(join(root, folder)).length > 0;
  } catch {
    return false;
  }
});

for (const folder of existing) {
  test(`${folder} imports only what its wall lets through`, (t) => {
    const imports = sources(folder).flatMap(importsOf);
    const through = imports.filter((each) => each.relative && !within(each.target, WALLS[folder] ?? []));
    t.deepEqual(
      through.map(({ file, specifier }) => `${file} -> ${specifier}`),
      [],
    );
    const borrowed = imports.filter(({ target, relative: isRelative }) => {
      const owners = isRelative ? undefined : OWNED_PACKAGES[target];
      return owners !== undefined && !within(folder, owners);
    });
    t.deepEqual(
      borrowed.map(({ file, specifier }) => `${file} -> ${specifier}`),
      [],
    );
  });
}

test('every source folder at the top and in lib has a wall', (t) => {
  const folders = [
    ...readdirSync(join(root, 'lib')).map((name) => `lib/${name}`),
    ...['bin', 'service', 'topologies', 'tools'].filter((name) => existing.includes(name)),
  ];
  t.deepEqual(
    folders.filter((folder) => !(folder in WALLS)),
    [],
  );
});

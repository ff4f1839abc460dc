import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join, relative, resolve as resolvePath } from 'node:path';
import { nearest } from './nearest';
import { CODE_EXTENSIONS, firstLine, readCode } from './read-code';
import { rehearse } from './rehearse-scenario';
import { resolve } from './resolve';
import { resolveScenarios } from './resolve-scenario';
import type { Scenario } from './scenario';
import type { TopologySpec } from './spec';
import type { Topology } from './topology';
import { SCHEMA_FILE } from './topology-schema';
import { type Fault, UserError } from './user-error';
import { validate } from './validate';

/** The only file of the model that reads files; what runs inside a node never imports it. */

const EXTENSIONS = [...CODE_EXTENSIONS, '.json', '.yaml', '.yml'];
const FOLDER = 'topologies';

export interface LoadOptions {
  /** What relative paths and the `topologies` folder are relative to. @default the working directory */
  readonly cwd?: string;
}

/**
 * The topology that a name (`shop`: a file in `topologies/`) or a path to a `.ts`, `.js`, `.json` or `.yaml` file
 * means, validated and resolved. Throws a `UserError` with all faults at once.
 */
export function loadTopology(nameOrPath: string, options: LoadOptions = {}): Topology {
  return loadTopologyFile(nameOrPath, options).topology;
}

/** What a topology's file holds. Scenarios are no part of the topology: changing one changes nothing that runs. */
export interface TopologyFile {
  readonly topology: Topology;
  /** By name. */
  readonly scenarios: Readonly<Record<string, Scenario>>;
}

/** The topology of a file, as `loadTopology` has it, and its scenarios. */
export function loadTopologyFile(nameOrPath: string, { cwd = process.cwd() }: LoadOptions = {}): TopologyFile {
  const file = findFile(nameOrPath, cwd);
  const shown = relative(cwd, file).startsWith('..') ? file : relative(cwd, file);
  const value = readValue(file, shown);
  const name = basename(file, extname(file));
  const refuse = (faults: readonly Fault[]): void => {
    if (faults.length === 0) return;
    throw new UserError(faults.map((fault) => ({ ...fault, where: `${shown}: ${fault.where}` })));
  };
  refuse(validate(value, name));
  const spec = value as TopologySpec;
  const topology = resolve(spec, spec.name ?? name);
  const scenarios = resolveScenarios(spec);
  refuse(Object.values(scenarios).flatMap((scenario) => rehearse(scenario, topology)));
  return { topology, scenarios };
}

/** Names of the topologies in the `topologies` folder, sorted. */
export function topologyNames({ cwd = process.cwd() }: LoadOptions = {}): readonly string[] {
  const folder = join(cwd, FOLDER);
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => isTopologyFile(file));
  return [...new Set(files.map((file) => basename(file, extname(file))))].sort();
}

function findFile(nameOrPath: string, cwd: string): string {
  const path = resolvePath(cwd, nameOrPath);
  if (EXTENSIONS.includes(extname(nameOrPath))) {
    if (isFile(path)) return path;
    throw new UserError({
      where: nameOrPath,
      problem: 'no such file',
      remedy: `give the path of a topology, or ${known(cwd)}`,
    });
  }
  if (nameOrPath !== '' && !/[\\/]/.test(nameOrPath)) {
    const files = EXTENSIONS.map((extension) => nameOrPath + extension)
      .filter(isTopologyFile)
      .map((name) => join(cwd, FOLDER, name))
      .filter(isFile);
    const [file, other] = files;
    if (file && other) {
      const problem = `both ${basename(file)} and ${basename(other)} exist in ${FOLDER}`;
      throw new UserError({ where: nameOrPath, problem, remedy: 'give the path of the one you mean' });
    }
    if (file) return file;
  } else if (isFile(path)) {
    const remedy = `use one of ${EXTENSIONS.join(', ')}`;
    throw new UserError({ where: nameOrPath, problem: 'is not of a kind that a topology is written in', remedy });
  }
  if (nameOrPath === '') throw new UserError({ where: 'topology', problem: 'the name is empty', remedy: known(cwd) });
  const near = nearest(nameOrPath, topologyNames({ cwd }));
  throw new UserError({
    where: nameOrPath,
    problem: `no topology of that name${near ? `, did you mean ${near}?` : ''}`,
    remedy: known(cwd),
  });
}

function known(cwd: string): string {
  const names = topologyNames({ cwd });
  if (names.length === 0) return `put one into ${join(cwd, FOLDER)}, or give a path to a .ts, .json or .yaml file`;
  return `there are ${names.join(', ')}; a path to a .ts, .json or .yaml file does too`;
}

function isTopologyFile(file: string): boolean {
  return EXTENSIONS.includes(extname(file)) && !file.endsWith('.d.ts') && file !== basename(SCHEMA_FILE);
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function readValue(file: string, shown: string): unknown {
  if (CODE_EXTENSIONS.includes(extname(file))) return readCode(file, shown);
  const text = readFileSync(file, 'utf8');
  return extname(file) === '.json' ? readJson(text, shown) : readYaml(text, shown);
}

function readJson(text: string, shown: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError({ where: shown, problem: firstLine(error), remedy: 'correct the JSON' });
  }
}

function readYaml(text: string, shown: string): unknown {
  const { parseDocument } = require('yaml') as typeof import('yaml');
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) {
    throw new UserError(
      document.errors.map(({ message, linePos }) => ({
        where: linePos ? `${shown}:${linePos[0].line}:${linePos[0].col}` : shown,
        problem: message.split(/ at line \d+|\n/)[0] ?? message,
        remedy: 'correct the YAML',
      })),
    );
  }
  try {
    return document.toJS();
  } catch (error) {
    throw new UserError({ where: shown, problem: firstLine(error), remedy: 'correct the YAML' });
  }
}

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ENVIRONMENT, PORTS, RESERVED_PATHS } from '../model/contract';
import { HOST, HOST_BOUNDS } from './host';
import { bundleNode } from './node-bundle';

const SOURCES = join(__dirname, 'host');

/** The files that every host gets, and the hash of their content: a different hash replaces every host. */
export interface HostFiles {
  readonly folder: string;
  readonly hash: string;
}

export interface HostFilesOptions {
  /** The node's program; tests of anything else give a small one. @default `service/main.ts`, bundled */
  readonly program?: string;
}

/** Writes the files of a host below `parent`, in a folder named after their hash. */
export function writeHostFiles(parent: string, { program = bundleNode() }: HostFilesOptions = {}): HostFiles {
  const files: [name: string, content: string][] = readdirSync(SOURCES)
    .sort()
    .map((name) => [name, readFileSync(join(SOURCES, name), 'utf8')] as [string, string])
    .map(([name, content]) => [name, fillIn(content)]);
  files.push(['contract.sh', contractScript()], ['node.js', program]);
  const hash = createHash('sha256').update(JSON.stringify(files)).digest('hex');
  const folder = join(parent, `host.${hash.slice(0, 16)}`);
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of files) writeFileSync(join(folder, name), content);
  return { folder, hash };
}

/** The names that the scripts share with the node, from the contract and from this file. */
function contractScript(): string {
  const values: Readonly<Record<string, string | number>> = {
    PROGRAM_DIR: HOST.programFolder,
    CONFIG_DIR: HOST.configFolder,
    SLICE_FILE: HOST.slice,
    KEY_FILE: HOST.key,
    GRAPH_FILE: HOST.graph,
    LOG_DIR: HOST.logFolder,
    LOG_FILE: HOST.log,
    AGENT_STATE: HOST.agentState,
    AGENT_CONTROL: HOST.agentControl,
    AGENT_PACKAGE: 'amazon-cloudwatch-agent',
    AGENT_OLDEST: '1.300071',
    NODE_PACKAGE: HOST.nodePackage,
    NODE_BINARY: HOST.nodeBinary,
    // Else V8 shrinks the heap of an idle node, whose next requests pay for it.
    NODE_FLAGS: '--no-memory-reducer',
    NODE_USER: HOST.user,
    MESH_PORT: PORTS.mesh,
    EDGE_PORT: PORTS.edge,
    READY_PATH: RESERVED_PATHS.ready,
    READY_TRIES: 60,
    // 169.254.169.123, as chronyc writes it.
    TIME_REFERENCE: 'A9FEA97B',
    BACKLOG_BYTES: HOST_BOUNDS.backlogBytes,
    KEEP_BYTES: HOST_BOUNDS.keepBytes,
    ENV_SLICE: ENVIRONMENT.slice,
    ENV_INSTANCE: ENVIRONMENT.instance,
    ENV_LOG: ENVIRONMENT.log,
    ENV_ADDRESS: ENVIRONMENT.address,
    ENV_MESH_PORT: ENVIRONMENT.meshPort,
    ENV_EDGE_PORT: ENVIRONMENT.edgePort,
    ENV_CLOCK: ENVIRONMENT.clock,
    ENV_PUBLIC_FAULTS: ENVIRONMENT.publicFaults,
  };
  return Object.entries(values)
    .map(([name, value]) => `${name}='${value}'\n`)
    .join('');
}

function fillIn(content: string): string {
  return content
    .replaceAll('@ENV_RESTARTS@', ENVIRONMENT.restarts)
    .replaceAll('@ENV_KEY@', ENVIRONMENT.key)
    .replaceAll('@ENV_CONTROL_PORT@', ENVIRONMENT.controlPort)
    .replaceAll('@ENV_LIVE_SLICE@', ENVIRONMENT.liveSlice)
    .replaceAll('@ENV_GRAPH@', ENVIRONMENT.graph)
    .replaceAll('@CONTROL_PORT@', String(PORTS.control))
    .replaceAll('@KEY_FILE@', HOST.key)
    .replaceAll('@GRAPH_FILE@', HOST.graph)
    .replaceAll('@GRAPH_SECONDS@', String(HOST_BOUNDS.graphSeconds))
    .replaceAll('@NODE_BINARY@', HOST.nodeBinary)
    .replaceAll('@STOP_SECONDS@', String(HOST_BOUNDS.stopSeconds))
    .replaceAll('@LOG_FILE@', HOST.log);
}

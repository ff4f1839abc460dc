import { setFlagsFromString } from 'node:v8';
import type { ReadyMessage } from '../lib/model/contract';
import type { ClientKind } from '../lib/model/spec';
import { formatFault, UserError } from '../lib/model/user-error';
import type { HttpClient } from './call/outgoing';
import { createDiscovery } from './discovery/discovery';
import { openServiceRecords, type ServiceRecords } from './discovery/discovery-records';
import { type RunningNode, startNode } from './node';
import { type NodeSettings, settingsFrom } from './settings';

// V8 shrinks the heap of a process that has been idle, and its next second of requests then costs two to three times
// as much.
setFlagsFromString('--no-memory-reducer');

/**
 * The program of every instance: reads its environment (`ENVIRONMENT`), starts its node or nodes, tells its parent
 * where they listen (`ReadyMessage`), and stops on SIGTERM, SIGINT, or when the parent is gone. Exit codes: 0 stopped
 * well, 1 failed, 2 the environment is wrong.
 */
async function main(): Promise<void> {
  const nodes: RunningNode[] = [];
  const records = new Map<string, ServiceRecords>();
  let stopping = false;

  const stop = async (reason: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    await Promise.all(nodes.map((node) => node.stop(reason)));
    for (const shared of records.values()) shared.close();
    process.exit();
  };
  process.on('SIGTERM', () => void stop('SIGTERM'));
  process.on('SIGINT', () => void stop('SIGINT'));
  if (process.send) process.on('disconnect', () => void stop('the launcher is gone'));
  // What is logged before a crash is what explains it.
  process.on('exit', () => {
    for (const node of nodes) node.flushSync();
  });

  const allSettings = settingsFrom(process.env);
  await Promise.all(
    allSettings.map(async (settings) => {
      const node = await start(settings, recordsFor(settings, records), allSettings.length === 1);
      nodes.push(node);
      if (stopping) return node.stop('stopped while it started');
      tellParent(node);
    }),
  );
}

function start(settings: NodeSettings, records: ServiceRecords, alone: boolean): Promise<RunningNode> {
  const { service } = settings.slice;
  return startNode({
    ...settings,
    alone,
    discovery: createDiscovery({ records, callees: service.callees }),
    client: createClient(service.client),
  });
}

/** Loads only the library that is used: the other would cost each start a tenth of its time, and 4 MB. */
function createClient(kind: ClientKind): HttpClient {
  switch (kind) {
    case 'got':
      return (require('./call/client-got') as typeof import('./call/client-got')).createGotClient();
    case 'undici':
      return (require('./call/client-undici') as typeof import('./call/client-undici')).createUndiciClient();
  }
}

/** Nodes of one process that ask the same resolver share what it says. */
function recordsFor({ slice, resolver }: NodeSettings, shared: Map<string, ServiceRecords>): ServiceRecords {
  const key = `${slice.topology} ${resolver}`;
  let records = shared.get(key);
  if (!records) {
    records = openServiceRecords({ topology: slice.topology, resolver });
    shared.set(key, records);
  }
  return records;
}

function tellParent({ instance, service, meshPort, edgePort, controlPort }: RunningNode): void {
  const message: ReadyMessage = { kind: 'ready', instance, service, meshPort, edgePort, controlPort };
  process.send?.(message);
}

main().catch((error: unknown) => {
  if (error instanceof UserError) for (const fault of error.faults) process.stderr.write(`${formatFault(fault)}\n`);
  else
    process.stderr.write(
      `${(error as NodeJS.ErrnoException).code ? (error as Error).message : (error as Error).stack}\n`,
    );
  process.exit(error instanceof UserError ? 2 : 1);
});

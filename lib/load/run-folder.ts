import { appendFileSync, existsSync, linkSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { STATE } from '../model/contract';
import type { ManifestRecord } from '../model/manifest';
import { UserError } from '../model/user-error';

/** A run's folder below `.microcosm/runs`: its manifest, the client's log, and links to the nodes' logs. */
export interface RunFolder {
  readonly path: string;
  readonly clientLog: string;
  record(record: ManifestRecord): void;
  /**
   * Links every log of a deployment that is not linked yet, so that the run's folder is complete by itself and outlives
   * the deployment's. A deployment that is gone has nothing more to link.
   */
  linkLogs(deploymentFolder: string): void;
}

/** @param cwd the directory that holds `.microcosm` */
export function createRunFolder(cwd: string, run: string): RunFolder {
  const path = join(cwd, STATE.runs, run);
  mkdirSync(join(cwd, STATE.runs), { recursive: true });
  mkdirSync(path);
  return {
    path,
    clientLog: join(path, STATE.clientLog),
    record: (record) => appendFileSync(join(path, STATE.manifest), `${JSON.stringify(record)}\n`),
    linkLogs: (deploymentFolder) => {
      const logs = join(deploymentFolder, STATE.logs);
      for (const file of logFiles(logs)) {
        if (!existsSync(join(path, file))) link(join(logs, file), join(path, file));
      }
    },
  };
}

function logFiles(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.log') && name !== STATE.clientLog);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function link(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Removed, or linked by another hand, since the folder was read.
    if (code === 'ENOENT' || code === 'EEXIST') return;
    const problem = `the log can't be linked into the run's folder ${to} (${code})`;
    throw new UserError({ where: from, problem, remedy: 'use a file system with hard links for .microcosm' });
  }
}

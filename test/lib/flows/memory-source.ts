import type { RunSource } from '../../../lib/flows/read-run';
import type { ManifestEnd, ManifestRecord, ManifestStart } from '../../../lib/model/manifest';

export interface MemoryLogs {
  readonly run: string;
  readonly files: ReadonlyMap<string, readonly string[]>;
  readonly manifest?: readonly ManifestRecord[];
  /** @default each file is one piece */
  readonly chunkBytes?: number;
}

/** Logs in memory as a source; pieces reuse their memory, as those of a file do. */
export function memorySource({ run, files, manifest = [], chunkBytes }: MemoryLogs): RunSource {
  return {
    run,
    topology: 'test',
    sinceMs: null,
    manifest: {
      start: (manifest.find(({ record }) => record === 'start') as ManifestStart | undefined) ?? null,
      end: (manifest.find(({ record }) => record === 'end') as ManifestEnd | undefined) ?? null,
      scenario: null,
      steps: [],
      foreign: 0,
    },
    async *streams() {
      for (const [file, lines] of files) {
        const bytes = Buffer.from(lines.join('\n') + (lines.length > 0 ? '\n' : ''), 'utf8');
        yield { name: file.replace(/\.log$/, ''), chunks: () => pieces(bytes, chunkBytes ?? bytes.length) };
      }
    },
  };
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  const memory = Buffer.alloc(Math.max(1, size));
  for (let at = 0; at < bytes.length; at += size) {
    const count = bytes.copy(memory, 0, at, Math.min(bytes.length, at + size));
    yield memory.subarray(0, count);
  }
}

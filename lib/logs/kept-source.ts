import { createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { LogSource, LogStream } from './log-source';

/** A source that is asked once, however often it is read: the first reading keeps the lines in temporary files. */
export interface KeptSource extends LogSource {
  /** Removes the files. */
  drop(): void;
}

/** For sources that cost time and money to ask again. Read it to the end before reading it again. */
export function keptSource(source: LogSource): KeptSource {
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-'));
  const kept: { readonly name: string; readonly path: string }[] = [];
  let whole = false;

  async function* first(): AsyncGenerator<LogStream> {
    kept.length = 0;
    for await (const stream of source.streams()) {
      const path = join(folder, `${kept.length}.log`);
      kept.push({ name: stream.name, path });
      yield { name: stream.name, chunks: () => copied(stream, path) };
    }
    whole = true;
  }

  async function* again(): AsyncGenerator<LogStream> {
    for (const { name, path } of kept) yield { name, chunks: () => createReadStream(path) };
  }

  return {
    ...source,
    streams: () => (whole ? again() : first()),
    drop: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function* copied(stream: LogStream, path: string): AsyncGenerator<Buffer> {
  const file = createWriteStream(path, { mode: 0o600 });
  for await (const chunk of stream.chunks()) {
    // The piece's memory is used again for the next one, so it is written before that is asked for.
    await new Promise<void>((resolve, reject) => file.write(chunk, (error) => (error ? reject(error) : resolve())));
    yield chunk;
  }
  file.end();
  await finished(file);
}

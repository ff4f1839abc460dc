/** What a command says beside its result: notices, each once, and on a terminal how far it is. */
export interface Notices {
  readonly tell: (notice: string) => void;
  /** A line that the next one replaces; nothing where standard error is no terminal, nor before two seconds. */
  readonly progress: (text: string) => void;
  /** Rows that have come from a log store. */
  readonly rows: (count: number) => void;
  /** Clears the progress line. */
  readonly done: () => void;
}

const PROGRESS_AFTER_MS = 2_000;
const PROGRESS_EVERY_MS = 200;

export function notices(stream: NodeJS.WriteStream = process.stderr): Notices {
  const startedAt = performance.now();
  const told = new Set<string>();
  let [rows, shown, shownAt] = [0, false, 0];

  const done = (): void => {
    if (shown) stream.write('\r\x1b[K');
    shown = false;
  };
  const progress = (text: string): void => {
    if (!stream.isTTY || performance.now() - startedAt < PROGRESS_AFTER_MS) return;
    stream.write(`\r\x1b[K${text.slice(0, (stream.columns ?? 80) - 1)}`);
    [shown, shownAt] = [true, performance.now()];
  };
  return {
    tell(notice) {
      if (told.has(notice)) return;
      told.add(notice);
      done();
      stream.write(`${notice}\n`);
    },
    progress,
    rows(count) {
      rows += count;
      if (performance.now() - shownAt > PROGRESS_EVERY_MS) progress(`${rows} rows read from CloudWatch Logs`);
    },
    done,
  };
}

/** How far a start is, on one line of a terminal; nothing elsewhere. */
export interface Progress {
  readonly show: (ready: number, all: number) => void;
  readonly clear: () => void;
}

export function startProgress(name: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return { show: () => {}, clear: () => {} };
  return {
    show: (ready, all) => void stream.write(`\r\x1b[K${name}: ${ready}/${all} ready`),
    clear: () => void stream.write('\r\x1b[K'),
  };
}

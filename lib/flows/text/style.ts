/** What the terminal can show. */
export interface Style {
  /** Columns. */
  readonly width: number;
  readonly colour: boolean;
  /** False: ASCII only. */
  readonly unicode: boolean;
}

export type Colour = 'red' | 'yellow' | 'green' | 'cyan' | 'bold' | 'dim';

const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  red: [31, 39],
  yellow: [33, 39],
  green: [32, 39],
  cyan: [36, 39],
  bold: [1, 22],
  dim: [2, 22],
};

export function paint({ colour }: Style, which: Colour, text: string): string {
  if (!colour || text === '') return text;
  const [on, off] = CODES[which];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

/** A text from a log as a terminal may have it: control characters, which could command it, become `?`. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?');
}

/** Cut to a width, with a mark where something is cut off. */
export function cut(text: string, width: number, { unicode }: Style): string {
  if (text.length <= width) return text;
  const mark = unicode ? '…' : '~';
  return width <= 0 ? '' : text.slice(0, width - 1) + mark;
}

/** In lines of a width, broken at spaces, where there are any; all but the first begin with `indent`. */
export function wrapped(text: string, width: number, indent: string): readonly string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    const end = space > indent.length ? space : width;
    lines.push(rest.slice(0, end));
    rest = indent + rest.slice(end).trimStart();
  }
  return [...lines, rest];
}

/** Three significant digits, no more than two decimals: `0.42`, `12.3`, `1234`. A dash where there is no value. */
export function millis(ms: number | null): string {
  if (ms === null || Number.isNaN(ms)) return '-';
  if (ms < 9.995) return ms.toFixed(2);
  if (ms < 99.95) return ms.toFixed(1);
  return ms < 1e6 ? ms.toFixed(0) : ms.toExponential(1);
}

/** Whole numbers up to 99,999, then `123k`, `12M`. */
export function whole(value: number): string {
  if (value < 100_000) return String(value);
  return value < 10_000_000 ? `${Math.round(value / 1000)}k` : `${Math.round(value / 1_000_000)}M`;
}

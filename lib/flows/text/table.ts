import { cut, paint, type Style } from './style';

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** Takes what width the others leave. One column may. */
  readonly grows?: boolean;
}

export interface Cell {
  readonly text: string;
  readonly colour?: 'red' | 'yellow';
}

/** Lines of a table no wider than the terminal: the column that grows is cut, the others are not. */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[], style: Style): readonly string[] {
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i]?.text.length ?? 0)));
  const growing = columns.findIndex(({ grows }) => grows);
  const gaps = 2 * (columns.length - 1);
  const others = widths.reduce((sum, width, i) => (i === growing ? sum : sum + width), 0);
  if (growing >= 0) widths[growing] = Math.min(widths[growing] as number, Math.max(12, style.width - gaps - others));

  const line = (cells: readonly Cell[], colour?: 'bold'): string =>
    cells
      .map(({ text, colour: own }, i) => {
        const width = widths[i] as number;
        const fitted = cut(text, width, style);
        const padded = columns[i]?.align === 'right' ? fitted.padStart(width) : fitted.padEnd(width);
        const which = own ?? colour;
        return which ? paint(style, which, padded) : padded;
      })
      .join('  ')
      .trimEnd();

  const head = columns.map(({ title }) => ({ text: title }));
  return [line(head, 'bold'), ...rows.map((row) => line(row))];
}

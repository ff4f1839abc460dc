import type { Style } from './style';

const BLOCKS = '▁▂▃▄▅▆▇█';
const ASCII = '_.-=+*%#';

/** Values as bars from 0 to the largest, at most so many columns wide; where there are more, each column is a mean. */
export function spark(values: readonly number[], width: number, { unicode }: Style): string {
  const columns = Math.min(width, values.length);
  const means = Array.from({ length: columns }, (_, column) => {
    const own = values.slice(
      Math.floor((column * values.length) / columns),
      Math.floor(((column + 1) * values.length) / columns),
    );
    return own.reduce((sum, value) => sum + value, 0) / own.length;
  });
  const most = Math.max(...means);
  const marks = unicode ? BLOCKS : ASCII;
  return means.map((mean) => (mean > 0 ? marks[Math.ceil((8 * mean) / most) - 1] : ' ')).join('');
}

import type { Difference, RunComparison, SeriesComparison } from '../analysis/compare-runs';
import type { TailExplanation } from '../analysis/explain-tail';
import { cut, millis, paint, printable, type Style, whole } from './style';
import { type Cell, type Column, table } from './table';

const MOST_PLACES = 5;
const MOST_MARKS = 6;

/** What the slowest flows have in common. */
export function* tailText(tail: TailExplanation, style: Style): Generator<string> {
  const { thresholdMs, places, marks, extraMs } = tail;
  const head = `THE SLOWEST ${tail.tail} FLOWS, from ${millis(thresholdMs)} ms: ${millis(extraMs)} ms longer than the others on average`;
  yield paint(style, 'bold', cut(head, style.width, style));
  const arrow = (text: string): string => printable(style.unicode ? text.replaceAll(' -> ', ' → ') : text);
  for (const { kind, name, tailMs, restMs, share } of places.slice(0, MOST_PLACES)) {
    const what = { self: 'in', between: 'between', unanswered: 'unanswered' }[kind];
    const line = `${(100 * share).toFixed(0).padStart(4)}%  ${what} ${arrow(name)}: ${millis(tailMs)} ms, else ${millis(restMs)} ms`;
    yield cut(line, style.width, style);
  }
  for (const { kind, name, tail: met, rest, lift } of marks.slice(0, MOST_MARKS)) {
    const line = `${lift.toFixed(1).padStart(4)}x  ${kind} ${arrow(name)}: ${met} of ${tail.tail}, else ${rest} of ${tail.rest}`;
    yield cut(line, style.width, style);
  }
}

/** Two runs side by side. */
export function* comparisonText(comparison: RunComparison, style: Style): Generator<string> {
  const { run, against, paired, confidence, series } = comparison;
  yield `${paint(style, 'bold', run)} against ${paint(style, 'bold', against)}`;
  if (paired) {
    const { flows, medianMs, interval } = paired;
    yield cut(
      `  the same ${flows} requests in both: ${signed(medianMs)} ms each in the median (${signed(interval.low)} to ${signed(interval.high)})`,
      style.width,
      style,
    );
  }
  for (const [kind, title] of [
    ['flows', 'FLOWS (ms)'],
    ['endpoint', 'REQUESTS HANDLED (ms)'],
    ['edge', 'CALLS AS THE CALLER SAW THEM (ms)'],
  ] as const) {
    const rows = series.filter((one) => one.kind === kind);
    if (rows.length === 0) continue;
    yield '';
    yield* table(
      columns(title),
      rows.map((row) => cells(row, style)),
      style,
    );
  }
  const each = (100 * confidence).toFixed(2);
  yield paint(
    style,
    'dim',
    cut(
      `FROM TO: interval of the difference of medians, ${each} % each (95 % for all), by bootstrap;`,
      style.width,
      style,
    ),
  );
  yield paint(
    style,
    'dim',
    cut('a difference is told where it holds no zero; P99 where 500 durations are there', style.width, style),
  );
}

function columns(title: string): readonly Column[] {
  const right = ['CALLS', 'ERR', 'P50', 'DIFF', 'FROM', 'TO', 'P99', 'DIFF'].map(
    (name): Column => ({ title: name, align: 'right' }),
  );
  return [{ title, align: 'left', grows: true }, { title: '', align: 'left' }, ...right];
}

function cells(row: SeriesComparison, style: Style): readonly Cell[] {
  const { name, verdict, count, errors, median, p99 } = row;
  const bad = verdict === 'slower' ? ({ colour: 'red' } as const) : {};
  const numbers = (difference: Difference | null, whole: boolean): readonly Cell[] => {
    if (!difference) return (whole ? ['-', '-', '-', '-'] : ['-', '-']).map((text) => ({ text }));
    const { ms, differenceMs, interval } = difference;
    const own = [{ text: millis(ms) }, { text: signed(differenceMs), ...bad }];
    return whole ? [...own, { text: signed(interval.low) }, { text: signed(interval.high) }] : own;
  };
  return [
    { text: printable(style.unicode ? name.replaceAll(' -> ', ' → ') : name) },
    { text: verdict === 'no difference told' ? 'same' : verdict, ...bad },
    { text: whole(count) },
    { text: whole(errors) },
    ...numbers(median, true),
    ...numbers(p99, false),
  ];
}

function signed(ms: number): string {
  return `${ms < 0 ? '-' : '+'}${millis(Math.abs(ms))}`;
}

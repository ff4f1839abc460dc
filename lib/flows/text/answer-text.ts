import type { Answer } from '../expectations/answer';
import { percentText } from '../expectations/expectation-text';

/** What became of a scenario's expectations, a line each: verdict, measured value, its window and number of requests. */
export function answerLines(scenario: string, answers: readonly Answer[]): readonly string[] {
  const met = answers.filter(({ verdict }) => verdict === 'met').length;
  return [`scenario ${scenario}: ${met} of ${answers.length} expectations met`, ...answers.map(answerLine)];
}

function answerLine({ name, expectation, verdict, measured, unit, window, samples, why }: Answer): string {
  const label = verdict === 'met' ? 'met       ' : verdict === 'missed' ? 'MISSED    ' : 'UNDECIDED ';
  const value = why ?? valueText(measured, unit);
  const stretch = window === null ? '' : `, ${seconds(window.fromMs)} to ${seconds(window.toMs)} s`;
  const count = why === null ? `, ${samples} requests` : '';
  const what = `${name === null ? '' : `${name}: `}${expectation}`;
  return `  ${label} ${what}: ${value}${stretch}${count}`;
}

function valueText(measured: number | null, unit: Answer['unit']): string {
  if (measured === null) return 'not at all';
  if (unit === 'share') return percentText(measured);
  if (unit === 'requests/s') return `${Number(measured.toPrecision(3))}/s`;
  return measured >= 1000 ? `${Number((measured / 1000).toFixed(2))} s` : `${Number(measured.toPrecision(3))} ms`;
}

function seconds(ms: number): string {
  return String(Number((ms / 1000).toFixed(1)));
}

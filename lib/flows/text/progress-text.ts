import type { RunReport } from '../run-report';
import { spark } from './spark';
import { millis, paint, printable, type Style } from './style';
import { type Column, table } from './table';

const SPARK_WIDTH = 30;

const COLUMNS: readonly Column[] = [
  { title: 'REQUESTS IN PROGRESS', align: 'left', grows: true },
  { title: 'MEAN', align: 'right' },
  { title: 'PEAK', align: 'right' },
  { title: 'OVER THE RUN', align: 'left' },
];

/** How many requests each service handled at the same time, the busiest service first. */
export function* progressText({ concurrency }: RunReport, style: Style): Generator<string> {
  if (concurrency === null || concurrency.services.length === 0) return;
  const services = [...concurrency.services].sort((a, b) => b.mean - a.mean);
  yield* table(
    COLUMNS,
    services.map(({ service, mean, peak, peakAtMost, means }) => [
      { text: printable(service) },
      { text: millis(mean) },
      { text: peak === peakAtMost ? `${peak}` : `${peak}-${peakAtMost}` },
      { text: spark(means, SPARK_WIDTH, style) },
    ]),
    style,
  );
  const { resolutionMs } = concurrency;
  yield paint(style, 'dim', `PEAK: at one moment; a range where ${resolutionMs} ms, the resolution, hide it`);
}

import type { Irregularity, IrregularSummary } from './irregular-lines';
import type { ProcessLoss } from './process-losses';

/** What is irregular about the lines that were read, one text for each stream, process and kind. */
export function lineWarnings(irregular: readonly IrregularSummary[]): readonly string[] {
  return irregular.map((lines) => {
    const { stream, instance, kind, from, to, copyOf = [] } = lines;
    const where = instance === null || instance.startsWith(stream) ? stream : `${stream}, ${instance}`;
    const when = from === null || to === null ? '' : ` (${timeRange(from, to)})`;
    if (kind === 'copied' && lines.whole) {
      return `${where}: a copy, all its ${count(lines.lines, 'event')} stand in ${copyOf.join(', ')} too${when}`;
    }
    const [one, several] = LINE_TEXTS[kind];
    const also = kind === 'copied' ? ` ${copyOf.join(', ')} too` : '';
    return `${where}: ${count(lines.lines, one, several)}${also}${when}`;
  });
}

const LINE_TEXTS: Readonly<Record<Irregularity, readonly [one: string, several: string]>> = {
  repeated: ['duplicate event', 'duplicate events'],
  copied: ['event that stands in', 'events that stand in'],
  'out-of-order': ['line out of order', 'lines out of order'],
  'half-written': ['half-written line', 'half-written lines'],
  foreign: ['line that is no event', 'lines that are no events'],
  'unknown-kind': ['event of an unknown kind', 'events of unknown kinds'],
};

/** What is lost of each process. */
export function lossWarnings(losses: readonly ProcessLoss[]): readonly string[] {
  return losses.flatMap(({ instance, process, lost, atLeast, dropped }) => {
    const own = `${instance} (process ${process})`;
    const droppedHere = dropped > 0 ? `; it dropped ${dropped} itself, of all its runs` : '';
    if (lost > 0) return [`${own}: ${atLeast ? 'at least ' : ''}${count(lost, 'event')} lost${droppedHere}`];
    return atLeast ? [`${own}: it ended without a word; its last events may be lost`] : [];
  });
}

/** `05:44:29.123`, or `05:44:29.123 to 05:44:31.000`; with the date where the two differ in it. */
export function timeRange(from: string, to: string): string {
  const whole = from.slice(0, 10) !== to.slice(0, 10);
  const text = (time: string): string => (whole ? time : time.slice(11, 23));
  return from === to ? text(from) : `${text(from)} to ${text(to)}`;
}

export function count(number: number, what: string, plural = `${what}s`): string {
  return `${number} ${number === 1 ? what : plural}`;
}

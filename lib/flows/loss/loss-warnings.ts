import type { Irregularity, IrregularSummary } from '../events/irregular-lines';
import type { LossTimes, LostStretch } from './lost-stretches';
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

/** A process's losses, with their times. */
export type TimedLoss = ProcessLoss &
  LossTimes & {
    /**
     * Where its log has no gap, and yet not its end: requests that were under way there, and those of which it has nothing
     * though others had an answer to them. Else 0.
     */
    readonly unended: number;
    readonly unlogged: number;
  };

/** An instance of which there is no log. */
export interface AbsentHost {
  readonly instance: string;
  /** Attempts of others that name it; 0 where only the topology does. */
  readonly calls: number;
  readonly from: string | null;
  readonly to: string | null;
}

/** What is lost of each process. */
export function lossWarnings(losses: readonly TimedLoss[]): readonly string[] {
  return losses.flatMap((loss) => {
    const { instance, process, lost, atLeast, dropped, stretches, ownStretches, tail } = loss;
    const own = `${instance} (process ${process})`;
    const texts: string[] = [];
    if (lost > 0) {
      const droppedHere = dropped > 0 ? `; it dropped ${dropped} itself, of all its runs` : '';
      texts.push(`${atLeast ? 'at least ' : ''}${count(lost, 'event')} lost${stretchesText(stretches)}${droppedHere}`);
    }
    if (loss.unended + loss.unlogged > 0) texts.push(cutOffText(loss));
    else if (atLeast) texts.push(`it ended without a word${tailText(tail)}; its last events may be lost`);
    if (ownStretches.length > 0) {
      const ownLost = ownStretches.reduce((sum, stretch) => sum + stretch.lost, 0);
      texts.push(`${count(ownLost, 'event')} of its own lost${stretchesText(ownStretches)}, such as CLOCK`);
    }
    return texts.map((text) => `${own}: ${text}`);
  });
}

function cutOffText({ tail, unended, unlogged }: TimedLoss): string {
  const open = unended === 0 ? '' : `, with ${count(unended, 'request')} under way`;
  const answered = unlogged === 0 ? '' : `, and lacks ${count(unlogged, 'request')} that others had an answer to`;
  return `its log ends${tailText(tail)}${open}${answered}`;
}

export function absentWarnings(absent: readonly AbsentHost[]): readonly string[] {
  return absent.map(({ instance, calls, from, to }) => {
    if (from === null || to === null) return `${instance}: the topology has it, and there is no log of it`;
    return `${instance}: others called it ${count(calls, 'time')} (${timeRange(from, to)}), and there is no log of it`;
  });
}

/** Stretches beyond which a text tells the time from the first to the last only. */
const MOST_TOLD = 3;

function stretchesText(stretches: readonly LostStretch[]): string {
  const [first] = stretches;
  const last = stretches[stretches.length - 1];
  if (!first || !last) return '';
  if (stretches.length === 1) return ` ${between(first)}`;
  if (stretches.length > MOST_TOLD) {
    return ` in ${stretches.length} stretches ${between({ after: first.after, before: last.before })}`;
  }
  return `: ${stretches.map((stretch) => `${stretch.lost} ${between(stretch)}`).join(', ')}`;
}

/** `between 05:44:29.123 and 05:44:31.000` */
export function between({ after, before }: Pick<LostStretch, 'after' | 'before'>): string {
  const [from, to] = [after?.slice(11, 23), before?.slice(11, 23)];
  if (from && to) return `between ${from} and ${to}`;
  if (from) return `after ${from}`;
  return to ? `before ${to}` : 'at an unknown time';
}

function tailText(tail: LossTimes['tail']): string {
  if (tail === null) return '';
  const after = tail.after === null ? '' : ` after ${tail.after.slice(11, 23)}`;
  return tail.before === null ? after : `${after}, and was started again at ${tail.before.slice(11, 23)}`;
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

/** Reads whole lines: those in `bytes` from `start` to `end`, which is just after a line feed. */
export type LineReader = (bytes: Buffer, start: number, end: number) => void;

/** A reader may look so many bytes past the start of a line without asking where the line ends. */
export const SLACK_BYTES = 4096;
/** A longer line is foreign: no event is, and a reader must not keep a whole file for want of a line feed. */
export const MAX_LINE_BYTES = 1024 * 1024;

const LINE_FEED = 0x0a;

export interface Remainder {
  /** The text after the last line feed: a half-written line, or a whole one that lacks only the line feed. */
  readonly rest: string;
  /** Lines left out for their length. */
  readonly tooLong: number;
}

/** Puts pieces of one stream together, as they come. */
export interface LineCutter {
  /** A piece of any size, cut anywhere; its memory is not used after the call. */
  take(chunk: Buffer): void;
  remainder(): Remainder;
}

/**
 * Cuts pieces into runs of whole lines. Lines are read where they lie, without a copy; only those at a piece's ends are
 * put together elsewhere, so that each line has `SLACK_BYTES` behind its start.
 */
export function lineCutter(read: LineReader): LineCutter {
  let joint = Buffer.alloc(64 * 1024);
  let carried = 0;
  let tooLong = 0;
  let skipping = false;

  const carry = (bytes: Buffer, start: number, end: number): void => {
    const needed = carried + end - start + SLACK_BYTES;
    if (needed > joint.length) {
      const larger = Buffer.alloc(2 * needed);
      joint.copy(larger, 0, 0, carried);
      joint = larger;
    }
    bytes.copy(joint, carried, start, end);
    carried += end - start;
  };

  const readJoint = (): void => {
    // What an earlier, longer joint left behind must not look like part of this one.
    joint.fill(0, carried, carried + SLACK_BYTES);
    read(joint, 0, carried);
    carried = 0;
  };

  const take = (chunk: Buffer): void => {
    let start = 0;
    if (carried > 0 || skipping) {
      const feed = chunk.indexOf(LINE_FEED);
      const end = feed < 0 ? chunk.length : feed + 1;
      if (!skipping) carry(chunk, 0, end);
      if (carried > MAX_LINE_BYTES) {
        skipping = true;
        carried = 0;
        tooLong += 1;
      }
      if (feed < 0) return;
      if (skipping) skipping = false;
      else readJoint();
      start = end;
    }
    const whole = chunk.lastIndexOf(LINE_FEED) + 1;
    if (whole > start) {
      const roomy = chunk.length - SLACK_BYTES - 1;
      const inPlace = roomy > start ? Math.max(start, chunk.lastIndexOf(LINE_FEED, roomy) + 1) : start;
      if (inPlace > start) read(chunk, start, inPlace);
      if (whole > inPlace) {
        carry(chunk, inPlace, whole);
        readJoint();
      }
    }
    if (chunk.length > Math.max(whole, start)) carry(chunk, Math.max(whole, start), chunk.length);
  };

  return { take, remainder: () => ({ rest: joint.toString('utf8', 0, carried), tooLong }) };
}

/** Cuts a whole stream, to its end. */
export async function readLines(chunks: AsyncIterable<Buffer>, read: LineReader): Promise<Remainder> {
  const cutter = lineCutter(read);
  for await (const chunk of chunks) cutter.take(chunk);
  return cutter.remainder();
}

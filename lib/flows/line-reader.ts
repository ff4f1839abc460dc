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

/**
 * Cuts pieces into runs of whole lines. Lines are read where they lie, without a copy; only those at a piece's ends are
 * put together elsewhere, so that each line has `SLACK_BYTES` behind its start.
 */
export async function readLines(chunks: AsyncIterable<Buffer>, read: LineReader): Promise<Remainder> {
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

  for await (const chunk of chunks) {
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
      if (feed < 0) continue;
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
  }
  return { rest: joint.toString('utf8', 0, carried), tooLong };
}

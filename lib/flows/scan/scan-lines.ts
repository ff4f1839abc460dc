import { extraBytes, recordWords } from '../decode-line';
import { DRAFT_WORD, FLAG, hlcMillis, type RecordDraft, type RecordExtra, WORD } from '../event-record';
import type { Interner } from '../interner';
import type { LineReader } from '../line-reader';
import { type LayoutTree, layoutTree } from './layout-tree';
import type { Layout } from './line-layout';
import { type LineScanner, lineScanner, scanLine } from './scan-line';

/** Where scanned records go, and everything else. */
export interface ScanTarget {
  /** A record is complete in the draft. */
  record(draft: RecordDraft): void;
  /** A line of another run. */
  other(): void;
  /** A line that stands in a layout not met before, without its line feed. */
  line(bytes: Buffer, start: number, end: number): void;
  /** Number of a process. */
  origin(process: string, instance: string, service: string, topology: string): number;
}

/**
 * A line reader that learns the layouts of lines: which keys follow each other, and what stands between them. It follows
 * the tree of layouts, verifies the bytes of each literal, and takes values straight into a record; at the first byte
 * that is not as predicted, the line goes to `target.line` as a whole, and its layout into the tree. So whatever it
 * accepts is what `JSON.parse` would have given, and any order of keys, unknown field or white space is as fast.
 *
 * @param run whose lines are wanted
 */
export function scanLines(run: string, names: Interner, draft: RecordDraft, target: ScanTarget): LineReader {
  const tree = layoutTree(run);
  const scanner = lineScanner(tree, names, draft);
  const learning = learner(tree);

  return (bytes, start, end) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = start;
    while (at < end) {
      const after = scanLine(scanner, bytes, view, at);
      if (after > 0 && isNear(scanner)) {
        const layout = scanner.layout as Layout;
        if (layout.isOther) target.other();
        else {
          if (layout.origin < 0) {
            layout.origin = target.origin(layout.process, layout.instance, layout.service, layout.topology);
          }
          complete(scanner, layout, bytes);
          target.record(draft);
        }
        at = after;
        learning.read += 1;
        continue;
      }
      const feed = bytes.indexOf(0x0a, at);
      target.line(bytes, at, feed);
      learning.learn(bytes.subarray(at, feed));
      at = feed + 1;
    }
  };
}

/** Whether the difference of timestamp and hybrid clock has room in a word. */
function isNear({ millis, draft }: LineScanner): boolean {
  const wall = millis - hlcMillis(draft.words, 0);
  return wall <= 0x7fffffff && wall >= -0x7fffffff;
}

/** Makes a record of what the scanner took from a line. */
function complete(scanner: LineScanner, layout: Layout, bytes: Buffer): void {
  const { draft, millis } = scanner;
  const { words } = draft;
  const { absent, defaults } = layout;
  for (let i = 0; i < absent.length; i++) {
    const word = absent[i] as number;
    words[word] = defaults[word] as number;
  }
  words[WORD.WALL] = millis - hlcMillis(words, 0);
  words[WORD.ORIGIN] = layout.origin;
  words[WORD.ATTEMPT] = ((words[DRAFT_WORD.ATTEMPT] as number) << 16) | (words[DRAFT_WORD.RECONNECT] as number);
  let { meta } = layout;
  draft.extra = null;
  if (layout.hasExtra) {
    draft.extra = extraOf(scanner, layout, bytes);
    if (draft.extra !== null) {
      const length = recordWords((layout.flags & FLAG.CALL) !== 0, draft.extra.length);
      meta = (meta & ~0xfff) | length | (FLAG.EXTRA << 18);
    }
  }
  words[WORD.META] = meta | ((words[DRAFT_WORD.STATUS] as number) << 22);
}

function extraOf(scanner: LineScanner, layout: Layout, bytes: Buffer): Uint8Array | null {
  const { keyStart, keyEnd, error, fault, decision } = scanner;
  return extraBytes(
    layout.keepsKey && keyStart >= 0 ? bytes.toString('latin1', keyStart, keyEnd) : undefined,
    layout.hasError ? (error as RecordExtra['error']) : undefined,
    layout.hasFault ? (fault as RecordExtra['fault']) : undefined,
    layout.hasDecision ? (decision as RecordExtra['decision']) : undefined,
  );
}

/** Learns from lines that could not be predicted, unless that is in vain: each one is parsed once more. */
function learner(tree: LayoutTree): { read: number; learn(line: Buffer): void } {
  let inVain = 0;
  return {
    read: 0,
    learn(line) {
      if (16 * inVain > this.read + MOST_IN_VAIN) return;
      if (!tree.learn(line)) inVain += 1;
    },
  };
}

const MOST_IN_VAIN = 32_768;

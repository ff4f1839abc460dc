import type { Decoded } from '../decode-line';
import { DRAFT_WORD, FLAG, hlcMillis, lengthOf, type RecordDraft, type RecordExtra, WORD } from '../event-record';
import type { Interner } from '../interner';
import type { LineReader } from '../line-reader';
import { draftExtra, draftKey, recordWords } from '../record-extra';
import { type LayoutTree, layoutTree } from './layout-tree';
import type { Layout } from './line-layout';
import { type LineScanner, lineScanner, scanLine } from './scan-line';

/** Where scanned records go, and everything else. */
export interface ScanTarget {
  /** The records that follow are of that process. */
  enter(origin: number): void;
  /** A record is complete in the draft, of that time by its host's wall clock. */
  record(draft: RecordDraft, wallMs: number): void;
  /** A line of another run. */
  other(): void;
  /** A line that stands in a layout not met before, without its line feed; gives what it is. */
  line(bytes: Buffer, start: number, end: number): Decoded;
  /** Number of a process. */
  origin(process: string, instance: string, service: string, topology: string): number;
}

/**
 * A line reader that learns the layouts of lines: which keys follow each other, and what stands between them. It follows
 * the tree of layouts, verifies the bytes of each literal, and takes values straight into a record; at the first byte
 * that is not as predicted, the line goes to `target.line` as a whole, and its layout into the tree. So whatever it
 * accepts is what `JSON.parse` would have given, and any order of keys, unknown field or white space is as fast.
 */
export function scanLines(names: Interner, draft: RecordDraft, target: ScanTarget): LineReader {
  const tree = layoutTree();
  const scanner = lineScanner(tree, names, draft);
  const learning = learner(tree);

  /** Reads on to the first line that is not of that process, or in a layout not met before; gives where that begins. */
  const scanOn = (bytes: Buffer, view: DataView, start: number, end: number, origin: number): number => {
    let at = start;
    while (at < end) {
      const after = scanLine(scanner, bytes, view, at);
      if (after < 0 || !placeInTime(scanner)) return at;
      const layout = scanner.layout as Layout;
      if (layout.isOther) target.other();
      else {
        if (layout.origin !== origin) return at;
        complete(scanner, layout, bytes);
        target.record(draft, scanner.millis);
      }
      at = after;
      learning.read += 1;
    }
    return at;
  };

  /** What happens a few times in a file is here, and not in what the compiler would compile anew each time. */
  return (bytes, start, end) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let origin = NOBODY;
    let at = start;
    for (;;) {
      at = scanOn(bytes, view, at, end, origin);
      if (at >= end) return;
      scanner.layout = null;
      if (scanLine(scanner, bytes, view, at) > 0 && placeInTime(scanner)) {
        const layout = scanner.layout as unknown as Layout;
        if (layout.origin < 0) {
          layout.origin = target.origin(layout.process, layout.instance, layout.service, layout.topology);
        }
        origin = layout.origin;
        target.enter(origin);
        continue;
      }
      const feed = bytes.indexOf(0x0a, at);
      learning.learn(bytes.subarray(at, feed), target.line(bytes, at, feed));
      at = feed + 1;
      origin = NOBODY;
    }
  };
}

/** No process; a layout whose process has no number yet is not of it either. */
const NOBODY = -2;

/** Writes down the difference of timestamp and hybrid clock; false where it has no room in a word. */
function placeInTime({ millis, draft }: LineScanner): boolean {
  const wall = millis - hlcMillis(draft.words, 0);
  draft.words[WORD.WALL] = wall;
  return wall <= 0x7fffffff && wall >= -0x7fffffff;
}

/** Makes a record of what the scanner took from a line. */
function complete(scanner: LineScanner, layout: Layout, bytes: Buffer): void {
  const { draft } = scanner;
  const { words } = draft;
  const { absent, defaults } = layout;
  for (let i = 0; i < absent.length; i++) {
    const word = absent[i] as number;
    words[word] = defaults[word] as number;
  }
  words[WORD.ORIGIN] = layout.origin;
  words[WORD.ATTEMPT] = ((words[DRAFT_WORD.ATTEMPT] as number) << 16) | (words[DRAFT_WORD.RECONNECT] as number);
  let { meta } = layout;
  if (layout.hasExtra) {
    const extraBytes = draftAll(scanner, layout, bytes);
    if (extraBytes > 0) {
      const length = recordWords(lengthOf(meta), extraBytes);
      meta = (meta & ~0xfff) | length | (FLAG.EXTRA << 18);
    }
  }
  words[WORD.META] = meta | ((words[DRAFT_WORD.STATUS] as number) << 22);
}

function draftAll(scanner: LineScanner, layout: Layout, bytes: Buffer): number {
  const { draft, keyStart, keyEnd, error, fault, decision } = scanner;
  if (layout.hasKeyOnly) return draftKey(draft, bytes, keyStart, keyEnd);
  return draftExtra(
    draft,
    layout.keepsKey && keyStart >= 0 ? bytes.toString('latin1', keyStart, keyEnd) : undefined,
    layout.hasError ? (error as RecordExtra['error']) : undefined,
    layout.hasFault ? (fault as RecordExtra['fault']) : undefined,
    layout.hasDecision ? (decision as RecordExtra['decision']) : undefined,
  );
}

/** Learns from lines that could not be predicted, unless that is in vain: each one is parsed once more. */
function learner(tree: LayoutTree): { read: number; learn(line: Buffer, decoded: Decoded): void } {
  let inVain = 0;
  return {
    read: 0,
    learn(line, decoded) {
      if (16 * inVain > this.read + MOST_IN_VAIN) return;
      if (!tree.learn(line, decoded)) inVain += 1;
    },
  };
}

const MOST_IN_VAIN = 32_768;

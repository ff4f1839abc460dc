import { seededRandom } from './random';
import type { Simulation } from './simulate';

/** What may befall a log's files between the processes that wrote them and the reader. Each gives new files. */
export type Files = ReadonlyMap<string, readonly string[]>;

/** Each line is lost with the probability given. */
export function loseLines({ files }: Pick<Simulation, 'files'>, probability: number, seed: number): Files {
  const random = seededRandom(seed);
  return mapFiles(files, (lines) => lines.filter(() => random.next() >= probability));
}

export function removeFile({ files }: Pick<Simulation, 'files'>, file: string): Files {
  return new Map([...files].filter(([name]) => name !== file));
}

/** A file is there a second time, under another name. */
export function copyFile({ files }: Pick<Simulation, 'files'>, file: string, as: string): Files {
  return new Map([...files, [as, files.get(file) ?? []]]);
}

/** Each line comes twice with the probability given, the second time right after the first. */
export function duplicateLines({ files }: Pick<Simulation, 'files'>, probability: number, seed: number): Files {
  const random = seededRandom(seed);
  return mapFiles(files, (lines) => lines.flatMap((line) => (random.next() < probability ? [line, line] : [line])));
}

/** The last line of the file ends in its middle, as after a full disk or a power cut. */
export function truncateLastLine({ files }: Pick<Simulation, 'files'>, file: string): Files {
  return mapFiles(files, (lines, name) => {
    const last = lines[lines.length - 1];
    return name === file && last !== undefined ? [...lines.slice(0, -1), last.slice(0, last.length >> 1)] : lines;
  });
}

/** The lines of each file in a random order (Fisher-Yates). */
export function shuffleLines({ files }: Pick<Simulation, 'files'>, seed: number): Files {
  const random = seededRandom(seed);
  return mapFiles(files, (lines) => {
    const shuffled = [...lines];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = Math.floor(random.next() * (i + 1));
      [shuffled[i], shuffled[j]] = [shuffled[j] as string, shuffled[i] as string];
    }
    return shuffled;
  });
}

function mapFiles(files: Files, change: (lines: readonly string[], file: string) => readonly string[]): Files {
  return new Map(Array.from(files, ([file, lines]) => [file, change(lines, file)]));
}

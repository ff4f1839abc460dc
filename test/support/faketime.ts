import { existsSync } from 'node:fs';

const CANDIDATES = ['x86_64-linux-gnu', 'aarch64-linux-gnu', '.'].flatMap((folder) => [
  `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`,
]);

/** The library that sets a process's wall clock wrong, or undefined where the system has none. */
export const FAKETIME = CANDIDATES.find((path) => existsSync(path));

export const NO_FAKETIME = 'no libfaketime found: install the package faketime';

/**
 * Variables of a process whose wall clock is read as `setting` says: `+3.5` seconds ahead, `-2 x1.0004` behind and fast. The
 * monotonic clock stays as it is.
 */
export function wrongClock(setting: string): Readonly<Record<string, string>> {
  return { ...preloaded(), FAKETIME: setting };
}

/** As `wrongClock`, with the setting in a file, which may change while the process runs. */
export function changingClock(file: string): Readonly<Record<string, string>> {
  return { ...preloaded(), FAKETIME_TIMESTAMP_FILE: file, FAKETIME_CACHE_DURATION: '1' };
}

function preloaded(): Readonly<Record<string, string>> {
  return { LD_PRELOAD: FAKETIME ?? '', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}

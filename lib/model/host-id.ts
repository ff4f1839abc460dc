import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

let known: string | undefined;

/**
 * What `ClockReport.host` says: stable while the machine runs and the same for all its processes, nodes and load driver
 * alike. Linux has an id of its own for it, new at each boot.
 */
export function hostId(): string {
  if (known !== undefined) return known;
  try {
    known = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    known = hostname();
  }
  return known;
}

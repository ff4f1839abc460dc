import { execFile } from 'node:child_process';
import type { ClockReport, ClockSource } from '../../lib/model/event';
import { hostId } from '../../lib/model/host-id';

const CHRONYC_TIMEOUT_MS = 2_000;

/**
 * What the host's clock is worth now. `machine`: all processes of this machine share one clock, so among them its
 * error is none. `chrony`: what `chronyc` says; where it can't be asked, or the clock is not synchronised, the bound is
 * unknown, that is infinite.
 */
export async function clockReport(source: ClockSource): Promise<ClockReport> {
  const host = hostId();
  switch (source) {
    case 'machine':
      return { source, host, boundMs: 0 };
    case 'unknown':
      return { source, host, boundMs: null };
    case 'chrony': {
      const tracking = parseTracking(await chronycTracking());
      return tracking ? { source, host, ...tracking } : { source: 'unknown', host, boundMs: null };
    }
  }
}

function chronycTracking(): Promise<string> {
  return new Promise((resolve) => {
    execFile('chronyc', ['-c', 'tracking'], { timeout: CHRONYC_TIMEOUT_MS, maxBuffer: 4096 }, (error, stdout) =>
      resolve(error ? '' : stdout),
    );
  });
}

/**
 * Reads one line of `chronyc -c tracking`: reference id, name, stratum, reference time, system time, last offset, RMS
 * offset, frequency, residual frequency, skew, root delay, root dispersion, update interval, leap status. Times are in
 * seconds; the system time is positive where the clock is slow. The bound is
 * |system time| + root dispersion + root delay / 2, as AWS's ClockBound has it. Undefined for any other text.
 */
export function parseTracking(line: string): Omit<ClockReport, 'source' | 'host'> | undefined {
  const fields = line.trim().split(',');
  if (fields.length < 14) return undefined;
  const [stratum, , systemTime, , , frequencyPpm, , , rootDelay, rootDispersion] = fields.slice(2).map(Number);
  const referenceId = fields[0] as string;
  const leapStatus = fields[13] as string;
  const numbers = [stratum, systemTime, frequencyPpm, rootDelay, rootDispersion] as number[];
  if (!numbers.every(Number.isFinite) || !/^[0-9A-F]{1,8}$/.test(referenceId)) return undefined;
  const ms = (seconds: number | undefined): number => Math.round((seconds as number) * 1e9) / 1e6;
  const bound = Math.abs(systemTime as number) + (rootDispersion as number) + (rootDelay as number) / 2;
  return {
    boundMs: leapStatus === 'Not synchronised' ? null : ms(bound),
    offsetMs: ms(-(systemTime as number)),
    stratum,
    referenceId,
    leapStatus,
    frequencyPpm,
    rootDelayMs: ms(rootDelay),
    rootDispersionMs: ms(rootDispersion),
  };
}

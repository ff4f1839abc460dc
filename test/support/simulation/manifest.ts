import type { ManifestRecord } from '../../../lib/model/manifest';
import { hashValue } from '../../../lib/model/slice';
import type { SimulationOptions } from './options';

export type Totals = Omit<Extract<ManifestRecord, { record: 'end' }>, 'record' | 'timestamp' | 'run' | 'finished'>;

/** @param process the client's */
export function manifestOf(
  { topology, requests, rate = 100, seed = 1 }: SimulationOptions,
  run: string,
  startAt: number,
  endAt: number,
  process: string,
  totals: Totals,
): readonly ManifestRecord[] {
  const phases = [{ fromRate: rate, toRate: rate, durationMs: (requests * 1000) / rate }];
  return [
    {
      record: 'start',
      timestamp: new Date(startAt).toISOString(),
      run,
      topology,
      topologyHash: hashValue(topology),
      deployment: null,
      url: 'http://127.0.0.1:1',
      seed: String(seed),
      process,
      plan: { arrivals: 'constant', phases },
    },
    { record: 'end', timestamp: new Date(Math.floor(endAt)).toISOString(), run, ...totals, finished: true },
  ];
}

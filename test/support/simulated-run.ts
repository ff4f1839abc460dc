import { type Run, readRun } from '../../lib/flows/read-run';
import type { ManifestEnd, ManifestStart } from '../../lib/model/manifest';
import type { Files } from './distort';
import { type Simulation, type SimulationOptions, simulate } from './simulate';

/** A simulated run as the timeline reads it. */
export async function simulatedRun(
  options: SimulationOptions,
  distort?: (simulation: Simulation) => Files,
): Promise<Run> {
  const simulation = simulate(options);
  const { run, manifest } = simulation;
  const files = distort?.(simulation) ?? simulation.files;
  return readRun({
    run,
    topology: options.topology.name,
    sinceMs: null,
    manifest: {
      start: manifest.find((record): record is ManifestStart => record.record === 'start') ?? null,
      end: manifest.find((record): record is ManifestEnd => record.record === 'end') ?? null,
      scenario: null,
      steps: [],
      foreign: 0,
    },
    async *streams() {
      for (const [file, lines] of files) {
        yield {
          name: file,
          async *chunks() {
            yield Buffer.from(lines.map((line) => `${line}\n`).join(''));
          },
        };
      }
    },
  });
}

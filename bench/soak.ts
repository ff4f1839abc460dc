import { Command } from 'commander';
import { loadTopology } from '../lib/model/load-topology';
import { randomBase32 } from '../lib/model/run-id';
import { forget, soak } from './soak/soak';
import { judge } from './soak/verdict';

/**
 * A topology in a storm: ordinary requests, overlays and itineraries come in open loop while every kind of fault is raised
 * live and processes are killed and frozen, all drawn from the seed. Then the faults are taken back, the traffic of before
 * is sent again, and every run is checked. Exit code 1 on a departure without a cause, a request that never ended, memory
 * that grows beyond the bound, or no recovery; the logs are kept then.
 *
 *     npm run soak -- [--minutes 3] [--seed text] [--topology shop] [--rate 15]
 */
const program = new Command()
  .name('soak')
  .option('--minutes <n>', 'how long traffic and faults last, both calms included', Number, 3)
  .option('--seed <text>', 'the same seed raises the same faults (default: new)')
  .option('--topology <name>', 'a name in topologies/ or a path', 'shop')
  .option('--rate <n>', 'requests per second', Number, 15)
  .option('--most-growth <n>', 'MiB per hour and process that memory may grow', Number, 60)
  .parse();
const { minutes, seed, topology, rate, mostGrowth } = program.opts<{
  minutes: number;
  seed?: string;
  topology: string;
  rate: number;
  mostGrowth: number;
}>();

main();

async function main(): Promise<void> {
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const outcome = await soak({
    topology: loadTopology(topology),
    minutes,
    seed: seed ?? randomBase32(8),
    rate,
    onProgress: print,
  });
  const { lines, failures } = judge(outcome, { mostGrowth });
  for (const line of ['', ...lines, '']) print(line);
  for (const failure of failures) print(`FAILED  ${failure}`);
  if (failures.length === 0) {
    forget(outcome);
    print('passed');
    return;
  }
  print(`the logs are in ${outcome.cwd}`);
  process.exitCode = 1;
}

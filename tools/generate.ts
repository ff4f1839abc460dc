import { InvalidArgumentError } from 'commander';
import { generateTopology } from '../lib/model/generate-topology';
import { UserError } from '../lib/model/user-error';
import { validate } from '../lib/model/validate';
import { runCommand } from './command';

interface Options {
  readonly services: number;
  readonly depth: number;
  readonly skew: number;
  readonly shared: number;
  readonly calls: number;
  readonly seed: string;
  readonly name?: string;
}

runCommand((program) => {
  program
    .name('generate')
    .description('Prints a large topology, in the shape of published call graphs, as JSON.')
    .requiredOption('--services <number>', 'how many services', wholeNumber)
    .option('--depth <number>', 'hops from the edge to the deepest service that is not shared', wholeNumber, 5)
    .option('--skew <share>', 'how uneven the fan-out is, 0 to 1', share, 0.6)
    .option('--shared <share>', 'part of the services that all others share, 0 to 1', share, 0.05)
    .option('--calls <number>', 'calls that a service makes on average for a request', positive, 2)
    .option('--seed <text>', 'the same seed gives the same topology', 'generated')
    .option('--name <name>', "the topology's name; the file's base name where left out")
    .addHelpText('after', '\nExample: generate --services 1000 > topologies/huge.json; then use it as huge')
    .action(({ calls, ...options }: Options) => {
      if (options.services < 2 || options.depth < 1 || options.depth >= options.services) {
        throw new UserError({
          where: '--services and --depth',
          problem: `${options.services} services can't be ${options.depth} hops deep`,
          remedy: 'give at least 2 services, and a depth from 1 to one below their number',
        });
      }
      const spec = generateTopology({ ...options, callsPerRequest: calls });
      const faults = validate(spec);
      if (faults.length > 0) throw new UserError(faults);
      process.stdout.write(`${JSON.stringify(spec, null, 2)}\n`);
    });
});

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Give a whole number.');
  return Number(text);
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw new InvalidArgumentError('Give a number from 0 to 1.');
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 100)) throw new InvalidArgumentError('Give a number above 0 and at most 100.');
  return value;
}

import { Option } from 'commander';
import { describeTopology } from '../lib/model/describe-topology';
import { loadTopology } from '../lib/model/load-topology';
import { topologyMermaid } from '../lib/model/topology-mermaid';
import { topologyText } from '../lib/model/topology-text';
import { runCommand } from './command';

runCommand((program) => {
  program
    .name('topology')
    .description('Validates a topology and describes it: roles, depth, expected calls and an estimate of latencies.')
    .argument('<topology>', 'a name in topologies/, or a path to a .ts, .json or .yaml file')
    .addOption(new Option('--format <format>', 'how to print it').choices(['text', 'json', 'mermaid']).default('text'))
    .option('--json', 'short for --format json')
    .addHelpText('after', '\nExit codes: 0 it is valid, 2 it is not, or the command is used wrongly.')
    .action((name: string, { format, json }: { format: 'text' | 'json' | 'mermaid'; json?: true }) => {
      const topology = loadTopology(name);
      const description = describeTopology(topology);
      if (json || format === 'json') process.stdout.write(`${JSON.stringify(description, null, 2)}\n`);
      else process.stdout.write(format === 'mermaid' ? topologyMermaid(description) : topologyText(description));
    });
});

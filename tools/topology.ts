import { Option } from 'commander';
import { describePlan, planOf } from '../lib/aws/plan';
import { describeTopology } from '../lib/model/describe-topology';
import { loadTopologyFile } from '../lib/model/load-topology';
import { topologyMermaid } from '../lib/model/topology-mermaid';
import { topologyText } from '../lib/model/topology-text';
import { formatFault } from '../lib/model/user-error';
import { runCommand } from './command';
import { scenariosText } from './scenario-text';

interface Options {
  readonly format: 'text' | 'json' | 'mermaid';
  readonly json?: true;
  readonly aws?: true;
  readonly faults?: true;
}

runCommand((program, finish) => {
  program
    .name('topology')
    .description(
      'Validates a topology and describes it: roles, depth, expected calls, policies, faults and estimated latencies.',
    )
    .argument('<topology>', 'a name in topologies/, or a path to a .ts, .json or .yaml file')
    .addOption(new Option('--format <format>', 'how to print it').choices(['text', 'json', 'mermaid']).default('text'))
    .option('--json', 'short for --format json')
    .option('--aws', 'plan its deployment on AWS: resources, quotas, cost an hour (as text, or --json)')
    .option('--faults', 'with --aws: as deployed with -c faults=true')
    .addHelpText(
      'after',
      '\nExit codes: 0 it is valid, 1 it is but can not be deployed on AWS (--aws), 2 it is not, or wrong use.',
    )
    .action((name: string, { format, json, aws, faults }: Options) => {
      const { topology, scenarios } = loadTopologyFile(name);
      if (aws) {
        const plan = planOf(topology, { faults: faults ?? false });
        process.stdout.write(json || format === 'json' ? `${JSON.stringify(plan, null, 2)}\n` : describePlan(plan));
        for (const fault of plan.faults) process.stderr.write(`${formatFault(fault)}\n`);
        if (plan.faults.length > 0) finish(1);
        return;
      }
      const description = describeTopology(topology);
      if (json || format === 'json')
        process.stdout.write(`${JSON.stringify({ ...description, scenarios }, null, 2)}\n`);
      else if (format === 'mermaid') process.stdout.write(topologyMermaid(description));
      else process.stdout.write(topologyText(description) + scenariosText(name, Object.values(scenarios)));
    });
});

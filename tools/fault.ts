import type { Command } from 'commander';
import { parseDuration } from '../lib/load/duration';
import type { Distribution } from '../lib/model/distribution';
import { addRule, connect, disconnect, removeRules, setLatency, type TopologyEdit } from '../lib/model/edit-topology';
import { UserError } from '../lib/model/user-error';
import { type AwsOptions, FIRST_PORT, refuseAwsOptions, withAwsOptions } from './aws-options';
import { type ExitCode, runCommand } from './command';
import { liveRule, type RuleOptions } from './fault-rule';
import { signedActions } from './fault-signed';
import { changeText, ruleText, stateText } from './fault-text';
import { type LiveDeployment, localDeployment } from './live-deployment';
import { awsDeployment, sessionCommands } from './live-deployment-aws';

/** `fault shop add ...` reads better than `fault add shop ...`; both are understood. */
const ACTIONS = ['add', 'list', 'clear', 'connect', 'disconnect', 'set-latency', 'itinerary', 'token', 'overlay'];
const [first, second] = process.argv.slice(2);
if (first !== undefined && second !== undefined && !ACTIONS.includes(first) && ACTIONS.includes(second)) {
  process.argv.splice(2, 2, second, first);
}

interface Json extends AwsOptions {
  readonly json?: boolean;
}

const TOPOLOGY = 'a topology that runs here, its deployment, or the URL of its edge';

void runCommand((program, finish) => {
  program
    .name('fault')
    .usage('<topology> <action> [options]')
    .description(
      'Raises faults in a topology while it runs, and changes its calls. Everything is validated before anything is applied, and what becomes of it is reported by instance. Exit code 1: some instances did not take it.',
    );

  const action = (name: string, summary: string): Command =>
    program.command(name).summary(summary).description(summary).argument('<topology>', TOPOLOGY);

  const live = (name: string, summary: string): Command =>
    withAwsOptions(action(name, summary), ': prints the commands that open a way to its hosts')
      .option('--start', 'with --aws: runs those commands itself, does the work, and ends them')
      .option('--forwarded', 'with --aws: does the work over the commands that were printed and are under way')
      .option('--first-port <n>', 'with --aws: local port of the first command, others follow', String(FIRST_PORT));

  live('add', 'Raises a fault for a while.')
    .usage('shop --service catalog --type latency --arg delay=300 --for 30s')
    .requiredOption('-s, --service <name>', 'the service that it strikes')
    .requiredOption('-t, --type <type>', 'latency, error, reset, hang, crash, ...: see docs/faults.md')
    .option('-a, --arg <name=value>', 'an argument of the fault, such as delay=300; may be given again', again)
    .option('--at <place>', 'before or after the work, on a call, or on the instance (default: what fits best)')
    .option('--endpoint <key>', 'strikes this endpoint only, such as "GET /products/:id"')
    .option('--callee <name>', 'strikes calls to this service, or one of its endpoints, only')
    .option('--instance <name>', 'strikes this instance only; may be given again', again)
    .option('--probability <p>', 'how likely it strikes a request, from 0 to 1 (default: 1)')
    .option('--from-request <n>', 'strikes from the n-th request on')
    .option('--priority <n>', 'of several faults that decide one answer the highest wins (default: 0)')
    .option('--for <duration>', 'how long it stands: 30s, 5m, at most 1h', '60s')
    .option('--id <id>', 'a name for it; one that stands is replaced (default: a new one)')
    .option('--json', 'print the report as JSON')
    .action(async (asked: string, options: RuleOptions & Json) => {
      const ruleIn = liveRule(options, Date.now());
      let by = '';
      const edit: TopologyEdit = (topology) => {
        const rule = ruleIn(topology);
        by = `${rule.id} of ${options.service}: ${ruleText(rule)}, for ${options.for}`;
        return addRule(options.service, rule)(topology);
      };
      finish(await change(asked, edit, () => by, options));
    });

  live('list', 'Shows the faults that stand, and which epoch each service is at.')
    .option('--json', 'print the state of every instance as JSON')
    .action(async (asked: string, options: Json) => finish(await list(asked, options)));

  live('clear', 'Ends a fault raised while the topology runs, by hand or by a scenario, or all of them.')
    .argument('[id]', 'which one')
    .option('--all', 'all of them')
    .option('--json', 'print the report as JSON')
    .action(async (asked: string, id: string | undefined, options: Json & { readonly all?: boolean }) => {
      if ((id === undefined) === (options.all !== true)) {
        throw new UserError({ where: 'clear', problem: 'which fault is not said', remedy: 'give one id, or --all' });
      }
      const edit = removeRules(
        ({ source, id: own }) => (source === 'live' || source === 'scenario') && (id === undefined || own === id),
      );
      finish(await change(asked, edit, () => `clear ${id ?? 'all'}`, options));
    });

  live('connect', 'Adds a call from one service to another, as the last step.')
    .usage('shop web reviews')
    .argument('<from>', 'the service that calls')
    .argument('<to>', 'service, or service METHOD /path')
    .option('--endpoint <key>', 'of the service that calls (default: every one)')
    .option('--probability <p>', 'how likely the call is made (default: 1)')
    .option('--timeout <duration>', 'of an attempt (default: what is left of the deadline)')
    .option('--optional', 'a failure is tolerated')
    .option('--json', 'print the report as JSON')
    .action(async (asked: string, from: string, to: string, options: ConnectFlags) => {
      const edit = connect(
        { from, to, endpoint: options.endpoint },
        {
          ...(options.probability !== undefined && { probability: share(options.probability) }),
          ...(options.timeout !== undefined && { timeoutMs: parseDuration(options.timeout, '--timeout') }),
          optional: options.optional ?? false,
        },
      );
      finish(await change(asked, edit, () => `connect ${from} to ${to}`, options));
    });

  live('disconnect', 'Removes the calls and sends from one service to another.')
    .usage('shop web reviews')
    .argument('<from>', 'the service that calls')
    .argument('<to>', 'service, or service METHOD /path')
    .option('--endpoint <key>', 'of the service that calls (default: every one)')
    .option('--json', 'print the report as JSON')
    .action(async (asked: string, from: string, to: string, options: Json & { readonly endpoint?: string }) => {
      const edit = disconnect({ from, to, endpoint: options.endpoint });
      finish(await change(asked, edit, () => `disconnect ${from} from ${to}`, options));
    });

  live('set-latency', "Changes the latency of a service's own work.")
    .usage('shop reviews 40')
    .argument('<service>', 'whose')
    .argument('<ms>', 'milliseconds, or a distribution as JSON: \'{"uniform":[10,30]}\'')
    .option('--endpoint <key>', 'of the service (default: every one)')
    .option('--json', 'print the report as JSON')
    .action(async (asked: string, service: string, ms: string, options: Json & { readonly endpoint?: string }) => {
      const edit = setLatency(service, options.endpoint, latency(ms));
      finish(await change(asked, edit, () => `set the latency of ${service} to ${ms}`, options));
    });

  signedActions(action, finish);
});

interface ConnectFlags extends Json {
  readonly endpoint?: string;
  readonly probability?: string;
  readonly timeout?: string;
  readonly optional?: boolean;
}

async function change(asked: string, edit: TopologyEdit, by: () => string, options: Json): Promise<ExitCode> {
  const deployment = await deploymentFor(asked, options);
  if (!deployment) return 0;
  const report = await deployment.change(edit, by);
  if (!report) {
    process.stdout.write(options.json ? 'null\n' : 'nothing to change\n');
    return 0;
  }
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : changeText(report));
  return report.instances.every(({ taken }) => taken) ? 0 : 1;
}

async function list(asked: string, options: Json): Promise<ExitCode> {
  const deployment = await deploymentFor(asked, options);
  if (!deployment) return 0;
  const states = await deployment.states();
  process.stdout.write(options.json ? `${JSON.stringify(states, null, 2)}\n` : stateText(states));
  return states.every(({ state }) => state) ? 0 : 1;
}

/** Undefined where nothing but the commands to reach it was asked for. */
async function deploymentFor(asked: string, options: Json): Promise<LiveDeployment | undefined> {
  const cwd = process.cwd();
  const { aws, start, forwarded } = options;
  if (!aws) {
    refuseAwsOptions(options);
    return localDeployment(asked, cwd);
  }
  if (start && forwarded) {
    throw new UserError({ where: '--start --forwarded', problem: 'exclude each other', remedy: 'give one of them' });
  }
  if (start || forwarded) return awsDeployment(asked, options, cwd);
  const commands = await sessionCommands(asked, options, cwd);
  process.stdout.write(options.json ? `${JSON.stringify(commands, null, 2)}\n` : `${commands.join('\n')}\n`);
  process.stderr.write(
    'Keep these running and give --forwarded; or give --start, which runs them, does the work and ends them.\n',
  );
  return undefined;
}

function latency(text: string): Distribution {
  const number = Number(text);
  if (text.trim() !== '' && Number.isFinite(number)) return number;
  try {
    return JSON.parse(text) as Distribution;
  } catch {
    const remedy = 'give milliseconds, or a distribution such as \'{"uniform":[10,30]}\'';
    throw new UserError({ where: 'latency', problem: `${text} is none`, remedy });
  }
}

function share(text: string): number {
  const number = Number(text);
  if (text.trim() !== '' && number >= 0 && number <= 1) return number;
  throw new UserError({ where: '--probability', problem: `${text} is none`, remedy: 'give a number from 0 to 1' });
}

function again(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

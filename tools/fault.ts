import type { Command } from 'commander';
import { parseDuration } from '../lib/load/duration';
import { askControl, readKey } from '../lib/local/control-client';
import { changeDeployment } from '../lib/local/live-change';
import type { Distribution } from '../lib/model/distribution';
import { addRule, connect, disconnect, removeRules, setLatency, type TopologyEdit } from '../lib/model/edit-topology';
import { TOKEN_MAX_MS } from '../lib/model/token';
import { UserError } from '../lib/model/user-error';
import { type ExitCode, runCommand } from './command';
import { itineraryCurl, overlayHeader, sendItinerary } from './fault-itinerary';
import { liveRule, type RuleOptions } from './fault-rule';
import { changeText, type InstanceState, ruleText, stateText } from './fault-text';
import { liveTarget } from './live-target';

/** `fault shop add ...` reads better than `fault add shop ...`; both are understood. */
const ACTIONS = ['add', 'list', 'clear', 'connect', 'disconnect', 'set-latency', 'itinerary', 'token', 'overlay'];
const [first, second] = process.argv.slice(2);
if (first !== undefined && second !== undefined && !ACTIONS.includes(first) && ACTIONS.includes(second)) {
  process.argv.splice(2, 2, second, first);
}

interface Json {
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

  action('add', 'Raises a fault for a while.')
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

  action('list', 'Shows the faults that stand, and which epoch each service is at.')
    .option('--json', 'print the state of every instance as JSON')
    .action(async (asked: string, { json }: Json) => finish(await list(asked, json ?? false)));

  action('clear', 'Ends a fault raised while the topology runs, or all of them.')
    .argument('[id]', 'which one')
    .option('--all', 'all of them')
    .option('--json', 'print the report as JSON')
    .action(async (asked: string, id: string | undefined, options: Json & { readonly all?: boolean }) => {
      if ((id === undefined) === (options.all !== true)) {
        throw new UserError({ where: 'clear', problem: 'which fault is not said', remedy: 'give one id, or --all' });
      }
      const edit = removeRules((rule) => rule.source === 'live' && (id === undefined || rule.id === id));
      finish(await change(asked, edit, () => `clear ${id ?? 'all'}`, options));
    });

  action('connect', 'Adds a call from one service to another, as the last step.')
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

  action('disconnect', 'Removes the calls and sends from one service to another.')
    .usage('shop web reviews')
    .argument('<from>', 'the service that calls')
    .argument('<to>', 'service, or service METHOD /path')
    .option('--endpoint <key>', 'of the service that calls (default: every one)')
    .option('--json', 'print the report as JSON')
    .action(async (asked: string, from: string, to: string, options: Json & { readonly endpoint?: string }) => {
      const edit = disconnect({ from, to, endpoint: options.endpoint });
      finish(await change(asked, edit, () => `disconnect ${from} from ${to}`, options));
    });

  action('set-latency', "Changes the latency of a service's own work.")
    .usage('shop reviews 40')
    .argument('<service>', 'whose')
    .argument('<ms>', 'milliseconds, or a distribution as JSON: \'{"uniform":[10,30]}\'')
    .option('--endpoint <key>', 'of the service (default: every one)')
    .option('--json', 'print the report as JSON')
    .action(async (asked: string, service: string, ms: string, options: Json & { readonly endpoint?: string }) => {
      const edit = setLatency(service, options.endpoint, latency(ms));
      finish(await change(asked, edit, () => `set the latency of ${service} to ${ms}`, options));
    });

  action('itinerary', 'Signs an itinerary, sends it to the edge, and prints the answer.')
    .usage('shop itinerary.json')
    .argument('<file>', 'JSON: { designation, faults: { before, after }, payload }')
    .option('--for <duration>', 'how long its token is good, at most 24h', '10m')
    .option('--json', 'print the result as JSON')
    .action(async (asked: string, file: string, options: Signed & Json) => {
      const target = await liveTarget(asked, process.cwd());
      finish(await sendItinerary(target, file, lifetime(options), options.json ?? false));
    });

  action('token', 'Prints a curl that sends an itinerary, with a token that is good for a while.')
    .usage('shop --body itinerary.json')
    .requiredOption('--body <file>', 'the itinerary')
    .option('--for <duration>', 'how long the token is good, at most 24h', '10m')
    .action(async (asked: string, options: Signed & { readonly body: string }) => {
      process.stdout.write(itineraryCurl(await liveTarget(asked, process.cwd()), options.body, lifetime(options)));
    });

  action('overlay', 'Prints a baggage header that brings faults along with a request.')
    .usage('shop overlay.json')
    .argument('<file>', 'JSON: [{ service, type, args, at, endpoint?, callee?, nth?, probability? }]')
    .option('--for <duration>', 'how long it is good, at most 24h', '10m')
    .action(async (asked: string, file: string, options: Signed) => {
      const target = await liveTarget(asked, process.cwd());
      process.stdout.write(`baggage: ${overlayHeader(target, file, lifetime(options))}\n`);
    });
});

interface Signed {
  readonly for: string;
}

function lifetime({ for: text }: Signed): number {
  const ms = parseDuration(text, '--for');
  if (ms <= TOKEN_MAX_MS) return ms;
  throw new UserError({ where: '--for', problem: `${text} is too long`, remedy: 'give at most 24h' });
}

interface ConnectFlags extends Json {
  readonly endpoint?: string;
  readonly probability?: string;
  readonly timeout?: string;
  readonly optional?: boolean;
}

async function change(asked: string, edit: TopologyEdit, by: () => string, { json }: Json): Promise<ExitCode> {
  const cwd = process.cwd();
  const { folder } = await liveTarget(asked, cwd);
  const report = await changeDeployment(cwd, folder, edit, by);
  if (!report) {
    process.stdout.write(json ? 'null\n' : 'nothing to change\n');
    return 0;
  }
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : changeText(report));
  return report.instances.every(({ taken }) => taken) ? 0 : 1;
}

async function list(asked: string, json: boolean): Promise<ExitCode> {
  const { deployment, folder } = await liveTarget(asked, process.cwd());
  const scope = { key: readKey(folder), topology: deployment.topology.name };
  const states = await Promise.all(
    deployment.instances.map(async ({ instance, service, controlPort }): Promise<InstanceState> => {
      try {
        const { status, body } = await askControl(controlPort ?? 0, 'GET /state', scope);
        if (status === 200) return { instance, service, state: body };
        return { instance, service, problem: `answered ${status}: ${body?.error}` };
      } catch (error) {
        return { instance, service, problem: `can't be reached: ${(error as Error).message}` };
      }
    }),
  );
  process.stdout.write(json ? `${JSON.stringify(states, null, 2)}\n` : stateText(states));
  return states.every(({ state }) => state) ? 0 : 1;
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

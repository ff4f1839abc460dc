import { parseDuration } from '../lib/load/duration';
import { type PlanOptions, trafficPlan } from '../lib/load/phases';
import { type LoadRun, runLoad } from '../lib/load/run-load';
import { formatProgress, formatSummary } from '../lib/load/summary';
import type { ManifestStep } from '../lib/model/manifest';
import { randomBase32 } from '../lib/model/run-id';
import type { Scenario } from '../lib/model/scenario';
import { TOKEN_MAX_MS } from '../lib/model/token';
import { collectFaults, type Fault, UserError } from '../lib/model/user-error';
import { runCommand } from './command';
import { overlayHeader } from './fault-itinerary';
import { type FaultTarget, localFaultTarget } from './fault-target';
import { awsFaultTarget } from './fault-target-aws';
import { chooseScenario, playOn, scenarioTopology, withScenarioLoad } from './load-scenario';
import { resolveLoadTarget } from './load-target';
import { resolveAwsTarget } from './load-target-aws';
import { startUpload } from './load-upload';
import { playedLines, stepLines } from './scenario-text';

interface Options {
  readonly rate?: string;
  readonly duration?: string;
  readonly requests?: string;
  readonly phase?: readonly string[];
  readonly warmup?: string;
  readonly arrivals: string;
  readonly seed?: string;
  readonly timeout: string;
  readonly maxInFlight?: string;
  readonly path?: string;
  readonly spin?: boolean;
  readonly overlay?: string;
  readonly scenario?: string | true;
  readonly aws?: boolean;
  readonly region?: string;
  readonly as?: string;
  readonly url?: string;
  readonly json?: boolean;
}

const PROGRESS_EVERY_MS = 500;
const PROGRESS_AFTER_MS = 2_000;
/** npx hands on a Ctrl-C that the terminal has sent to this process already. */
const SAME_REQUEST_MS = 500;

runCommand((program, finish) => {
  program
    .name('load')
    .description(
      'Sends open-loop traffic to a running topology: every request at its planned moment, however slow the answers. Ctrl-C ends the run early and keeps what was measured.',
    )
    .argument('<topology or URL>', 'a topology that runs here (see tools/local.ts), its deployment, or any http(s) URL')
    .option('-r, --rate <R>', 'requests per second: 100, or a ramp 50..500 (default: 10)')
    .option('-d, --duration <D>', 'how long: 500ms, 30s, 5m (default: 10s)')
    .option('-n, --requests <N>', 'end after so many requests')
    .option('-p, --phase <RATE:D>', 'one of several phases, such as 50:10s or 50..500:30s; may be given again', again)
    .option('--warmup <D>', 'send at the first rate for so long before, and leave that out of the figures')
    .option('--arrivals <kind>', 'constant or poisson', 'constant')
    .option('--seed <text>', "replays the requests of the run with this seed (default: new, see the run's summary)")
    .option('--timeout <D>', 'how long to wait for each answer', '10s')
    .option('--max-in-flight <N>', 'hold requests back while so many are unanswered (default: never)')
    .option('--path <path>', 'what to ask for at a URL that is no deployment (default: the path of the URL)')
    .option('--spin', 'keep a core busy to send within microseconds of the plan, not about a millisecond')
    .option('--aws', "send to the topology's deployment on AWS, and put the client's events beside its nodes'")
    .option('--region <region>', 'with --aws: where the deployment is (default: that of AWS_REGION or the profile)')
    .option('--as <name>', 'with --aws: the name that it was deployed as (cdk deploy -c as=<name>)')
    .option('--url <URL>', "with --aws: the edge's address, where it has a name of its own (default: the balancer's)")
    .option('--overlay <file>', 'faults that every request brings along (docs/faults.md), where its edge lets them in')
    .option(
      '--scenario [name]',
      'faults and changes at their times, from the topology, and its load where no rate or time is given (docs/scenarios.md); without a name: which there are',
    )
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExit code: 0 requests were answered and every step of a scenario was made everywhere, 1 not so, 2 used wrongly.',
    )
    .action(async (asked: string, options: Options) => {
      readSettings(options);
      const target = options.aws
        ? await resolveAwsTarget(asked, options, process.cwd())
        : await resolveLoadTarget(asked, options.path, process.cwd());
      const overlay =
        options.overlay === undefined
          ? undefined
          : await overlayHeader(await faultTarget(asked, options), options.overlay, TOKEN_MAX_MS);
      const scenario =
        options.scenario === undefined
          ? undefined
          : chooseScenario(scenarioTopology(asked, target), options.scenario, process.cwd());
      const settings = readSettings(options, scenario);
      const play =
        scenario && (await playOn(target, scenario, settings.plan, { ...options, asked, cwd: process.cwd() }));
      const run = await runLoad({
        target,
        cwd: process.cwd(),
        ...settings,
        ...(overlay !== undefined && { overlay }),
        ...(play && { play: { ...play, onStep: showStep } }),
      });
      process.stderr.write(`run ${run.run}, seed ${settings.seed}\n`);
      const upload = target.aws && startUpload(target.aws, run);
      const quiet = showProgress(run);
      const release = endOnSignal(run);
      const result = await run.done;
      quiet();
      release();
      await upload?.finish();
      if (result.scenario && !result.scenario.whole) for (const line of playedLines(result.scenario)) tell(line);
      process.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : formatSummary(result));
      finish(result.total.answered > 0 && (result.scenario?.whole ?? true) ? 0 : 1);
    });
});

function faultTarget(asked: string, { aws, region, as }: Options): Promise<FaultTarget> {
  if (!aws) return localFaultTarget(asked, process.cwd());
  const place = { ...(region !== undefined && { region }), ...(as !== undefined && { as }) };
  return awsFaultTarget(asked, place, process.cwd());
}

/** A line on stderr, in the place of the progress where that stands. */
function tell(line: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}\n` : `${line}\n`);
}

function showStep(step: ManifestStep): void {
  for (const line of stepLines(step)) tell(line);
}

/** Checks the options, all faults at once. */
function readSettings(options: Options, scenario?: Scenario) {
  const faults: Fault[] = [];
  const read = <T>(parse: () => T): T | undefined => collectFaults(faults, parse);
  for (const name of ['region', 'as', 'url'] as const) {
    if (options[name] === undefined || options.aws) continue;
    faults.push({ where: `--${name}`, problem: 'goes with --aws only', remedy: 'add --aws, or leave it out' });
  }
  const arrivals = options.arrivals;
  if (arrivals !== 'constant' && arrivals !== 'poisson') {
    faults.push({ where: '--arrivals', problem: `${arrivals} is unknown`, remedy: 'use constant or poisson' });
  }
  const seed = options.seed ?? randomBase32(12);
  if (!/^[ -~]{1,64}$/.test(seed)) {
    const remedy = 'use 1 to 64 printable ASCII characters';
    faults.push({ where: '--seed', problem: `${JSON.stringify(seed)} is no seed`, remedy });
  }
  if (options.path !== undefined && !/^[!-~]+$/.test(options.path)) {
    faults.push({
      where: '--path',
      problem: 'has characters that no URL has',
      remedy: 'write them as %20 and the like',
    });
  }
  const maxInFlight = read(() =>
    options.maxInFlight === undefined ? null : readCount(options.maxInFlight, '--max-in-flight'),
  );
  const timeoutMs = read(() => parseDuration(options.timeout, '--timeout'));
  const requests = read(() => (options.requests === undefined ? null : readCount(options.requests, '--requests')));
  const planOptions: PlanOptions = {
    ...(options.rate !== undefined && { rate: options.rate }),
    ...(options.duration !== undefined && { duration: options.duration }),
    ...(options.phase !== undefined && { phases: options.phase }),
    ...(options.warmup !== undefined && { warmup: options.warmup }),
    ...(typeof requests === 'number' && { requests }),
    ...(arrivals === 'poisson' && { arrivals }),
  };
  const plan = read(() => trafficPlan(scenario ? withScenarioLoad(planOptions, scenario) : planOptions));
  if (faults.length > 0 || !plan || timeoutMs === undefined) throw new UserError(faults);
  return {
    plan,
    seed,
    timeoutMs,
    ...(typeof maxInFlight === 'number' && { maxInFlight }),
    spin: options.spin ?? false,
  };
}

function readCount(text: string, where: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count > 0) return count;
  throw new UserError({ where, problem: `${text} is no count`, remedy: 'give a whole number above 0' });
}

function again(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** Keeps one line of a terminal up to date. Returns what ends it. */
function showProgress(run: LoadRun): () => void {
  if (!process.stderr.isTTY) return () => undefined;
  let shown = false;
  const timer = setInterval(() => {
    const progress = run.progress();
    if (progress.elapsedMs < PROGRESS_AFTER_MS) return;
    const line = formatProgress(progress).slice(0, (process.stderr.columns ?? 80) - 1);
    process.stderr.write(`\r\u001b[K${line}`);
    shown = true;
  }, PROGRESS_EVERY_MS);
  return () => {
    clearInterval(timer);
    if (shown) process.stderr.write('\r\u001b[K');
  };
}

/** The first signal ends the run well, the second at once. */
function endOnSignal(run: LoadRun): () => void {
  let firstAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      process.stderr.write('\nending the run; waiting a little for answers (again to leave at once)\n');
      run.stop();
      return;
    }
    if (performance.now() - firstAt < SAME_REQUEST_MS) return;
    run.flushSync();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return () => {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  };
}

import { type Conformance, runCheck } from '../lib/flows/conformance/check-run';
import type { Departure } from '../lib/flows/conformance/departure';
import { parseEvent } from '../lib/flows/conformance/parse-event';
import { readLines } from '../lib/flows/events/line-reader';
import { type Answer, answers } from '../lib/flows/expectations/answer';
import { type Sampler, sampler } from '../lib/flows/expectations/samples';
import { answerLines } from '../lib/flows/text/answer-text';
import { type KeptSource, keptSource } from '../lib/logs/kept-source';
import type { LogSource, LogStream, RunManifest } from '../lib/logs/log-source';
import type { ManifestScenario, ManifestStep } from '../lib/model/manifest';
import type { Topology } from '../lib/model/topology';
import { UserError } from '../lib/model/user-error';
import { runCommand } from './command';
import { notices } from './notices';
import { openRun, REGION_OPTION } from './open-run';
import { parseWait, settledRun, WAIT_OPTION } from './settled-run';

interface Options {
  readonly json?: boolean;
  readonly all?: boolean;
  readonly region?: string;
  readonly wait?: string;
}

/** Departures shown without `--all`. */
const SHOWN = 20;
/** Nodes write their logs out far more often than this. */
const LOG_WRITE_MS = 5_000;

runCommand((program, finish) => {
  program
    .name('check')
    .description('Compares what a run did with what its topology, its seed and the logged outcomes say it had to do.')
    .argument('<run-id>', 'as tools/load.ts printed it')
    .option('--json', 'print the whole result as JSON')
    .option('--all', `print every departure, not the first ${SHOWN} only`)
    .option(...REGION_OPTION)
    .option(...WAIT_OPTION)
    .addHelpText(
      'after',
      '\nExit code: 0 the run conforms and met what its scenario expects, 1 not so, or parts of its log are lost, 2 used wrongly.',
    )
    .action(async (run: string, options: Options) => {
      const { result, foreign, scenario } = await checkWhenSettled(run, options);
      const whole = { ...result, foreignLines: foreign, scenario };
      if (options.json) process.stdout.write(`${JSON.stringify(whole, null, 2)}\n`);
      else process.stdout.write(describe(result, foreign, options.all ?? false) + describeScenario(scenario));
      const met =
        scenario === null || (scenario.played && scenario.expectations.every(({ verdict }) => verdict === 'met'));
      finish(result.verdict === 'conforms' && met ? 0 : 1);
    });
});

/** What arrives late is waited for as the timeline does, and then read from what that kept. */
async function checkWhenSettled(run: string, options: Options): ReturnType<typeof check> {
  const where = { region: options.region, notices: notices() };
  const waitMs = parseWait(options.wait);
  const source = await openRun(run, where);
  if (source.arrival === undefined) return check(source);
  let kept: KeptSource | undefined;
  const open = async (): Promise<LogSource> => {
    const next = kept === undefined ? source : await openRun(run, where);
    kept?.drop();
    kept = keptSource(next);
    return kept;
  };
  try {
    const settled = await settledRun(open, waitMs, where.notices);
    settled.close();
    return await check(settled.source);
  } finally {
    kept?.drop();
  }
}

interface Checked {
  readonly result: Conformance;
  readonly foreign: number;
  /** Null where the run played none. */
  readonly scenario: CheckedScenario | null;
}

interface CheckedScenario {
  readonly name: string;
  /** Every step was made, and every instance took it. */
  readonly played: boolean;
  readonly notMade: readonly string[];
  readonly steps: readonly ManifestStep[];
  readonly expectations: readonly Answer[];
}

async function check(source: LogSource): Promise<Checked> {
  const { start, end, scenario } = source.manifest;
  if (!start?.topology) {
    throw new UserError({
      where: source.place,
      problem: start ? `the run went to ${start.url}, whose topology is not known` : 'the manifest has no start record',
      remedy: 'check a run that tools/load.ts made against a deployment',
    });
  }
  const { topology, process: clientProcess } = start;
  const settled = end !== null && Date.now() - Date.parse(end.timestamp) > settleMs(topology);
  const checking = runCheck({ run: source.run, topology, end, settled, clientProcess });
  const samples = sampler(source.run, scenario?.scenario.expect.map(({ of }) => of) ?? []);
  const progress = lineCounter();
  let foreign = 0;
  for await (const stream of source.streams()) {
    await eachLine(stream, (line) => {
      progress.add();
      const event = parseEvent(line);
      if (event) {
        checking.add(event);
        samples.add(event);
      } else foreign += 1;
    });
  }
  progress.clear();
  return {
    result: checking.finish(),
    foreign,
    scenario: scenario && answerScenario(source.manifest, scenario, samples),
  };
}

function answerScenario({ end, steps }: RunManifest, scenario: ManifestScenario, samples: Sampler): CheckedScenario {
  const reachedMs = end?.finished
    ? Number.POSITIVE_INFINITY
    : end
      ? Date.parse(end.timestamp) - Date.parse(scenario.startTime)
      : 0;
  const { name, steps: written } = scenario.scenario;
  const made = steps.filter(({ what, problem }) => what === 'begin' && problem === null);
  const notMade = written.filter((step) => !made.some((record) => record.step === step.name));
  const whole = steps.every(({ problem, instances }) => problem === null && instances.every(({ taken }) => taken));
  return {
    name,
    played: notMade.length === 0 && whole,
    notMade: notMade.map((step) => step.name),
    steps,
    expectations: answers({ scenario, steps, reachedMs }, samples),
  };
}

/** The last request may take its deadline, and so may each `send` that it set off; then the log is written out. */
function settleMs({ services }: Topology): number {
  const deadlines = Object.values(services).flatMap(({ endpoints }) =>
    Object.values(endpoints).map((e) => e.deadlineMs),
  );
  return 2 * Math.max(...deadlines) + LOG_WRITE_MS;
}

async function eachLine({ chunks }: LogStream, use: (line: string) => void): Promise<void> {
  const { rest, tooLong } = await readLines(chunks(), (bytes, start, end) => {
    for (const line of bytes.toString('utf8', start, end).split('\n')) if (line !== '') use(line);
  });
  if (rest !== '') use(rest);
  for (let i = 0; i < tooLong; i++) use('a line too long to be an event');
}

/** Says on a terminal how far it is, once it has taken longer than two seconds. */
function lineCounter(stream: NodeJS.WriteStream = process.stderr) {
  const startedAt = performance.now();
  let [lines, shown] = [0, false];
  return {
    add: () => {
      lines += 1;
      if (lines % 50_000 !== 0 || !stream.isTTY || performance.now() - startedAt < 2_000) return;
      stream.write(`\r\x1b[K${lines} lines read`);
      shown = true;
    },
    clear: () => void (shown && stream.write('\r\x1b[K')),
  };
}

const VERDICTS: Readonly<Record<Conformance['verdict'], string>> = {
  conforms: 'conforms to',
  departs: 'DEPARTS from',
  incomplete: 'does not contradict, as far as its incomplete log tells,',
};

function describe(result: Conformance, foreign: number, all: boolean): string {
  const { run, topology, verdict, finished, flows, flowsDeparting, spans, events, departures, explained } = result;
  const lines = [`${run} ${VERDICTS[verdict]} ${topology}`];
  lines.push(`  ${count(flows, 'flow')}, ${count(spans, 'span')}, ${count(events, 'event')}`);
  if (!finished) lines.push('  unfinished: the run has no end record; what has not ended yet is not held against it');
  const causes = Object.entries(explained).sort((a, b) => b[1] - a[1]);
  if (causes.length > 0)
    lines.push(`  explained by the log: ${causes.map(([cause, n]) => `${n} × ${cause}`).join(', ')}`);
  if (foreign > 0) lines.push(`  ${count(foreign, 'line')} that ${foreign === 1 ? 'is' : 'are'} no event`);
  if (result.duplicates > 0) lines.push(`  ${count(result.duplicates, 'event')} logged twice, counted once`);
  if (departures.length === 0) return `${lines.join('\n')}\n`;

  lines.push(
    `  ${count(departures.length, 'departure')} in ${count(flowsDeparting, 'flow')}: ${kinds(departures)}`,
    '',
  );
  const shown = all ? departures : departures.slice(0, SHOWN);
  let flow: string | null | undefined;
  for (const departure of shown) {
    if (departure.traceId !== flow) {
      flow = departure.traceId;
      lines.push(flow === null ? 'the run as a whole' : `flow ${flow}`);
      if (flow !== null) lines.push(`  npx ts-node tools/timeline.ts ${run} --flow ${flow}`);
    }
    const { kind, service, step, message, expected, actual } = departure;
    lines.push(`  ${kind} at ${service}${step === null ? '' : ` (${step})`}: ${message}`);
    lines.push(`    expected ${expected}; found ${actual}`);
  }
  if (shown.length < departures.length) {
    lines.push('', `${departures.length - shown.length} more departures; --all shows them`);
  }
  return `${lines.map(printable).join('\n')}\n`;
}

function describeScenario(scenario: CheckedScenario | null): string {
  if (!scenario) return '';
  const { name, steps, notMade, expectations } = scenario;
  const lines = [...answerLines(name, expectations)];
  if (notMade.length > 0) lines.push(`  NOT MADE   ${notMade.join(', ')}`);
  for (const { step, what, problem, instances } of steps) {
    if (problem !== null) lines.push(`  FAILED     ${what} of ${step}: ${problem}`);
    for (const each of instances) {
      if (!each.taken) lines.push(`  NOT TAKEN  ${what} of ${step} by ${each.instance}: ${each.problem ?? 'unknown'}`);
    }
  }
  return `${lines.map(printable).join('\n')}\n`;
}

function kinds(departures: readonly Departure[]): string {
  const counts = new Map<string, number>();
  for (const { kind } of departures) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return Array.from(counts, ([kind, n]) => `${n} × ${kind}`).join(', ');
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

/** What comes out of a log must not steer a terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

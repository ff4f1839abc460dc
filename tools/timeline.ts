import { explainSlowest } from '../lib/flows/analysis/explain-tail';
import type { Flow } from '../lib/flows/flow';
import type { Run } from '../lib/flows/read-run';
import { runJson } from '../lib/flows/run-json';
import { type ReportWithFlows, reportRun } from '../lib/flows/run-report';
import { tailText } from '../lib/flows/text/analysis-text';
import { reportText } from '../lib/flows/text/report-text';
import type { LogSource } from '../lib/logs/log-source';
import { durationMs } from '../lib/model/duration-text';
import { ADHOC_RUN } from '../lib/model/run-id';
import { orList } from '../lib/model/shape';
import { type Fault, UserError } from '../lib/model/user-error';
import { runCommand } from './command';
import { flowFilter } from './flow-filter';
import { notices } from './notices';
import { openAdhoc, openRun, REGION_OPTION } from './open-run';
import { fileOutput, type Output, standardOutput } from './output';
import { parseWait, settledRun, WAIT_OPTION } from './settled-run';
import { harmless, terminalStyle } from './terminal';
import { writeComparison } from './timeline-compare';
import { EXPORTS, exportFlows, isExport } from './timeline-export';
import { followRun } from './timeline-follow';

interface Options {
  readonly format: string;
  readonly flow?: string;
  readonly slowest?: string;
  readonly errors?: boolean;
  readonly service?: string;
  readonly raw?: boolean;
  readonly clocks?: boolean;
  readonly against?: string;
  readonly topology?: string;
  readonly since?: string;
  readonly out?: string;
  readonly region?: string;
  readonly wait?: string;
  readonly follow?: boolean;
}

const FORMATS = ['text', 'json', ...Object.keys(EXPORTS)];
const SLOWEST_SHOWN = 3;
const FAILED_SHOWN = 3;
const ALL_FAILED_SHOWN = 50;

runCommand((program) => {
  program
    .name('timeline')
    .description("Rebuilds every request's flow from a run's logs and shows where the time went.")
    .argument('<run-id>', 'as tools/load.ts printed it; or adhoc for requests that belong to no run')
    .option('--format <format>', `${FORMATS.join(', ')} (described below)`, 'text')
    .option('--out <file>', 'write to this file instead of standard output')
    .option('--flow <trace-id>', 'show the flow of one trace only; its first digits are enough')
    .option(
      '--slowest <n>',
      `how many of the slowest flows to show (default: ${SLOWEST_SHOWN}); with other formats than text, only those`,
    )
    .option(
      '--errors',
      `show failed flows, up to ${ALL_FAILED_SHOWN} (default: ${FAILED_SHOWN}); with other formats than text, only those`,
    )
    .option('--service <service>', 'only flows that the service took part in')
    .option('--raw', "show each host's own time beside the bars")
    .option('--clocks', "with text: every host's clock, and not only what is remarkable")
    .option('--against <run-id>', 'what got slower or faster than in that run, with intervals; text or json')
    .option('--topology <name>', 'with adhoc: whose requests')
    .option('--since <duration>', 'with adhoc: how far back, such as 30s, 15m or 1h (default: 1h)')
    .option(...REGION_OPTION)
    .option(...WAIT_OPTION)
    .option(
      '--follow',
      'show flows as they are completed, until the run is over; of a run on this machine, of the next one of a topology that is named in place of a run, or of adhoc',
    )
    .addHelpText(
      'after',
      `\nFormats beside text and json:\n${Object.entries(EXPORTS)
        .map(([format, purpose]) => `  ${format.padEnd(10)} ${purpose}`)
        .join(
          '\n',
        )}\n\nExit code: 0, also where the log is incomplete (the summary says so); 2 used wrongly or no such run.`,
    )
    .action(async (id: string, options: Options) => {
      const selection = parseOptions(id, options);
      const where = { region: options.region, notices: notices() };
      if (options.follow) {
        await followRun(id, { ...options, ...selection, json: options.format === 'json' }, where.notices);
        return;
      }
      const open = (): Promise<LogSource> =>
        id === ADHOC_RUN ? openAdhoc(selection.topology, Date.now() - selection.sinceMs, where) : openRun(id, where);
      const { run, source, close } = await settledRun(open, parseWait(options.wait), where.notices);
      try {
        const file = options.out ?? pageFor(id, options);
        const output = file === undefined ? standardOutput : await fileOutput(file);
        try {
          if (options.against !== undefined) {
            const other = await settledRun(
              () => openRun(options.against as string, where),
              parseWait(options.wait),
              where.notices,
            );
            try {
              await writeComparison(
                run,
                other.run,
                { json: options.format === 'json', style: terminalStyle(output) },
                output,
              );
            } finally {
              other.close();
            }
          } else if (options.format === 'text') await writeText(run, source, options, selection.slowest, output);
          else await writeFlows(run, options, selection.slowest, output);
        } finally {
          await output.close();
        }
        if (file !== options.out) where.notices.tell(`wrote ${file}`);
      } finally {
        close();
      }
    });
});

async function writeText(
  run: Run,
  source: LogSource,
  options: Options,
  slowest: number | undefined,
  output: Output,
): Promise<void> {
  const traceId = options.flow === undefined ? undefined : wholeTraceId(run, options.flow);
  const onlyFlow = traceId !== undefined;
  const result = reportRun(run, {
    slowest: onlyFlow || (options.errors && slowest === undefined) ? 0 : (slowest ?? SLOWEST_SHOWN),
    failed: onlyFlow ? 0 : options.errors ? ALL_FAILED_SHOWN : FAILED_SHOWN,
    ...(traceId !== undefined && { traceId }),
    ...(options.service !== undefined && { service: options.service }),
  });
  requireService(result, source, options);
  const style = terminalStyle(output);
  for (const line of reportText(result, style, {
    raw: options.raw ?? false,
    clocks: options.clocks ?? false,
    tables: !onlyFlow,
  })) {
    await output.write(`${line}\n`);
  }
  if (onlyFlow) return;
  const tail = explainSlowest(run, result.report.statistics);
  if (tail) for (const line of ['', ...tailText(tail, style)]) await output.write(`${line}\n`);
}

/** A page on a terminal helps nobody: it goes to a file of the run's name. */
function pageFor(id: string, { format }: Options): string | undefined {
  return format === 'html' && process.stdout.isTTY ? `${id}.html` : undefined;
}

/** In every format but text. */
async function writeFlows(run: Run, options: Options, slowest: number | undefined, output: Output): Promise<void> {
  const traceId = options.flow === undefined ? undefined : wholeTraceId(run, options.flow);
  const onlyFlow = traceId !== undefined;
  const { service } = options;
  const result = reportRun(run, {
    ...(slowest !== undefined && { slowest }),
    ...(service !== undefined && { service }),
  });
  requireService(result, run, options);
  const slow = slowest === undefined ? undefined : new Set(result.slowest.map(({ root }) => root.requestId));
  // Of one trace the rest of a big run need not be described.
  const narrowed: Run = { ...run, flows: () => run.flows(traceId) };
  const wanted = flowFilter(options);
  const select = (flow: Flow): boolean => (slow === undefined || slow.has(flow.root.requestId)) && wanted(flow);
  const pieces = isExport(options.format)
    ? exportFlows(options.format, () => selected(narrowed, select), result.report, narrowed)
    : runJson(narrowed, result.report, select, onlyFlow ? null : explainSlowest(run, result.report.statistics));
  const isTerminal = output === standardOutput && process.stdout.isTTY;
  for await (const piece of pieces) await output.write(isTerminal ? harmless(piece) : piece);
}

function* selected(run: Run, select: (flow: Flow) => boolean): Generator<Flow> {
  for (const flow of run.flows()) if (select(flow)) yield flow;
}

/** A trace id may be given by its first digits, where those are of one trace only. */
function wholeTraceId(run: Run, prefix: string): string {
  const found = run.traceIds(prefix.toLowerCase());
  const [first] = found;
  if (first === undefined || found.size > 1) {
    throw new UserError({
      where: '--flow',
      problem:
        found.size > 1
          ? `${prefix} begins ${found.size} trace ids`
          : `no flow of ${run.run} has the trace id ${prefix}`,
      remedy: found.size > 1 ? 'give more of its digits' : 'timeline without --flow shows flows of the run',
    });
  }
  return first;
}

function requireService({ report }: ReportWithFlows, { run }: Pick<Run, 'run'>, { service }: Options): void {
  if (service === undefined || report.statistics.flows > 0) return;
  const services = [...new Set(report.processes.map((process) => process.service))].sort();
  throw new UserError({
    where: '--service',
    problem: `no flow of ${run} touched ${service}`,
    remedy: services.length > 0 ? `services that logged: ${services.join(', ')}` : 'no service logged anything',
  });
}

interface Parsed {
  readonly slowest: number | undefined;
  readonly topology: string;
  readonly sinceMs: number;
}

function parseOptions(id: string, options: Options): Parsed {
  const { format, flow, slowest, topology, since, against } = options;
  const faults: Fault[] = [];
  const fault = (where: string, problem: string, remedy: string): void => {
    faults.push({ where, problem, remedy });
  };
  if (!FORMATS.includes(format)) fault('--format', `${format} is no format`, `use ${orList(FORMATS)}`);
  if (flow !== undefined && !/^[0-9a-f]{1,32}$/i.test(flow)) {
    fault('--flow', `${flow} is no trace id`, 'give up to 32 hexadecimal digits');
  }
  if (format === 'mermaid' && flow === undefined) {
    fault('--flow', 'mermaid draws one flow', 'name it: --flow TRACE_ID');
  }
  const count = slowest === undefined ? undefined : Number(slowest);
  if (count !== undefined && !(Number.isInteger(count) && count >= 0 && count <= 1000)) {
    fault('--slowest', `${slowest} is no count`, 'give a whole number up to 1000');
  }
  if (against !== undefined && format !== 'text' && format !== 'json') {
    fault('--against', `compares in text and json, not in ${format}`, 'leave --format out, or give json');
  }
  const sinceMs = durationMs(since ?? '1h');
  if (!(sinceMs > 0)) fault('--since', `${since} is no duration`, 'give one such as 30s, 15m, 1h or 2d');
  if (id === ADHOC_RUN && topology === undefined) {
    fault('--topology', 'adhoc needs to know whose requests', 'give --topology NAME');
  }
  if (id !== ADHOC_RUN && (topology !== undefined || since !== undefined)) {
    fault(
      topology !== undefined ? '--topology' : '--since',
      'goes with adhoc only',
      'leave it out: a run id says both',
    );
  }
  if (against !== undefined) {
    for (const name of (['flow', 'slowest', 'errors', 'service', 'raw', 'clocks'] as const).filter(
      (one) => options[one],
    )) {
      fault(`--${name}`, 'does not go with --against', 'leave it out: all flows of both runs are compared');
    }
  }
  if (options.follow) faults.push(...followFaults(options));
  if (faults.length > 0) throw new UserError(faults);
  return { slowest: count, topology: topology ?? '', sinceMs };
}

/** What needs a whole run, or another place than this machine, has no meaning while one is followed. */
function followFaults(options: Options): readonly Fault[] {
  const { format, region } = options;
  const remedy = 'leave it out, or leave --follow out and read the run when it is over';
  const whole = (['flow', 'slowest', 'raw', 'clocks', 'against', 'out'] as const).filter(
    (name) => options[name] !== undefined,
  );
  return [
    ...whole.map((name) => ({ where: `--${name}`, problem: 'does not go with --follow', remedy })),
    ...(format === 'text' || format === 'json'
      ? []
      : [{ where: '--format', problem: `${format} can't be followed`, remedy: 'give text or json (lines)' }]),
    ...(region === undefined
      ? []
      : [
          {
            where: '--region',
            problem: 'only logs on this machine can be followed, not those in CloudWatch',
            remedy: 'leave --follow out: --wait reads a run on AWS again until it is whole',
          },
        ]),
  ];
}

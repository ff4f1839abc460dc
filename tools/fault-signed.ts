import type { Command } from 'commander';
import { parseDuration } from '../lib/load/duration';
import { TOKEN_MAX_MS } from '../lib/model/token';
import { UserError } from '../lib/model/user-error';
import { type AwsOptions, FIRST_PORT, refuseAwsOptions, withAwsOptions } from './aws-options';
import type { ExitCode } from './command';
import { itineraryCurl, overlayHeader, sendItinerary } from './fault-itinerary';
import { type FaultTarget, localFaultTarget } from './fault-target';
import { awsFaultTarget } from './fault-target-aws';

interface Signed extends AwsOptions {
  readonly for: string;
}

/** The actions for faults of one request: what is sent is signed, and nothing is changed for others. */
export function signedActions(
  action: (name: string, summary: string) => Command,
  finish: (code: ExitCode) => void,
): void {
  const signed = (name: string, summary: string): Command =>
    withAwsOptions(action(name, summary))
      .option('--url <URL>', "with --aws: the edge's address, where it has a name of its own (default: the balancer's)")
      .option('--for <duration>', 'how long its token is good, at most 24h', '10m');
  const pastEdge = (command: Command): Command =>
    command
      .option(
        '--forwarded',
        'with --aws: for a port that leads past the edge to a host; says the command that opens it',
      )
      .option('--first-port <n>', 'with --forwarded: that local port', String(FIRST_PORT));

  signed('itinerary', 'Signs an itinerary, sends it to the edge, and prints the answer.')
    .usage('shop itinerary.json')
    .argument('<file>', 'JSON: { designation, faults: { before, after }, payload }')
    .option('--start', 'with --aws: past the edge, through a session to a host of the first stop, which it ends')
    .option('--json', 'print the result as JSON')
    .action(async (asked: string, file: string, options: Signed & { readonly json?: boolean }) => {
      finish(await sendItinerary(await targetFor(asked, options), file, lifetime(options), options.json ?? false));
    });

  pastEdge(signed('token', 'Prints a curl that sends an itinerary, with a token that is good for a while.'))
    .usage('shop --body itinerary.json')
    .requiredOption('--body <file>', 'the itinerary')
    .action(async (asked: string, options: Signed & { readonly body: string }) => {
      process.stdout.write(await itineraryCurl(await targetFor(asked, options), options.body, lifetime(options)));
    });

  pastEdge(signed('overlay', 'Prints a baggage header that brings faults along with a request.'))
    .usage('shop overlay.json')
    .argument('<file>', 'JSON: [{ service, type, args, at, endpoint?, callee?, nth?, probability? }]')
    .action(async (asked: string, file: string, options: Signed) => {
      process.stdout.write(
        `baggage: ${await overlayHeader(await targetFor(asked, options), file, lifetime(options))}\n`,
      );
    });
}

function targetFor(asked: string, options: Signed): Promise<FaultTarget> {
  if (options.aws) return awsFaultTarget(asked, options, process.cwd());
  refuseAwsOptions(options);
  return localFaultTarget(asked, process.cwd());
}

function lifetime({ for: text }: Signed): number {
  const ms = parseDuration(text, '--for');
  if (ms <= TOKEN_MAX_MS) return ms;
  throw new UserError({ where: '--for', problem: `${text} is too long`, remedy: 'give at most 24h' });
}

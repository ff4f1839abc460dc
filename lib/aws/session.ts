import { createServer, connect as openSocket } from 'node:net';
import { UserError } from '../model/user-error';
import { AWS_COMMAND, noCommand, type Place } from './aws-command';
import { startGroup } from './process-group';

/** A way from a port of this machine to a port of a host, which sees it come from itself. */
export interface Session {
  /** On 127.0.0.1. */
  readonly port: number;
  /** Resolves once its processes are gone. */
  close(): Promise<void>;
}

/** A session takes a second or two; a host that has just booted may take longer to be known. */
const OPEN_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 100;

/** What a session leads to. */
export interface SessionEnd {
  /** `i-…` */
  readonly machine: string;
  readonly port: number;
}

/** Arguments of the `aws` command that forwards `localPort` to a port of a machine. */
export function sessionArguments({ machine, port }: SessionEnd, localPort: number, { region }: Place) {
  const parameters = { portNumber: [String(port)], localPortNumber: [String(localPort)] };
  return [
    'ssm',
    'start-session',
    ...['--region', region],
    ...['--target', machine],
    ...['--document-name', 'AWS-StartPortForwardingSession'],
    ...['--parameters', JSON.stringify(parameters)],
  ];
}

/** The same for a shell. */
export function sessionCommand(end: SessionEnd, localPort: number, place: Place): string {
  const words = [AWS_COMMAND, ...sessionArguments(end, localPort, place)];
  return words.map((word) => (/^[\w./:=-]+$/.test(word) ? word : `'${word}'`)).join(' ');
}

/**
 * Starts a session and waits until its port is open. The session ends with this process, by a signal too.
 *
 * @throws UserError where the `aws` command or its plugin is missing
 * @throws Error where the session does not come about, with its own words
 */
export async function startSession(end: SessionEnd, place: Place): Promise<Session> {
  const port = await freePort();
  // A group, because `aws` does not hand signals on to the plugin, which alone ends a session well.
  const { child, close } = startGroup(AWS_COMMAND, sessionArguments(end, port, place));
  let failure: NodeJS.ErrnoException | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2_000);
    });
  }
  for (const deadline = performance.now() + OPEN_WITHIN_MS; ; ) {
    if (await isOpen(port)) return { port, close };
    if (failure) throw failure.code === 'ENOENT' ? noCommand() : failure;
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (!ended && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      continue;
    }
    await close();
    if (/SessionManagerPlugin is not found/i.test(said)) throw noPlugin();
    const words = said.trim().split('\n').at(-1) ?? '';
    throw new Error(ended ? `the session ended: ${words}` : `no session within ${OPEN_WITHIN_MS / 1_000} s: ${words}`);
  }
}

function noPlugin(): UserError {
  return new UserError({
    where: 'session-manager-plugin',
    problem: 'is not installed',
    remedy: "install the AWS CLI's Session Manager plugin, or forward the ports another way and give --forwarded",
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = openSocket({ host: '127.0.0.1', port });
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

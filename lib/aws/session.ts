import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, connect as openSocket } from 'node:net';
import { PORTS } from '../model/contract';
import { UserError } from '../model/user-error';
import { AWS_COMMAND, noCommand, type Place } from './aws-command';

/** A way from a port of this machine to the control interface of a host. */
export interface Session {
  /** On 127.0.0.1. */
  readonly port: number;
  /** Resolves once its processes are gone. */
  close(): Promise<void>;
}

/** A session takes a second or two; a host that has just booted may take longer to be known. */
const OPEN_WITHIN_MS = 30_000;
const CLOSE_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 100;

/** Arguments of the `aws` command that forwards `localPort` to the control interface of a machine. */
export function sessionArguments(machine: string, localPort: number, { region }: Place): readonly string[] {
  const parameters = { portNumber: [String(PORTS.control)], localPortNumber: [String(localPort)] };
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
export function sessionCommand(machine: string, localPort: number, place: Place): string {
  const words = [AWS_COMMAND, ...sessionArguments(machine, localPort, place)];
  return words.map((word) => (/^[\w./:=-]+$/.test(word) ? word : `'${word}'`)).join(' ');
}

/**
 * Starts a session and waits until its port is open. However this process ends, the session is asked to end with it.
 *
 * @throws UserError where the `aws` command or its plugin is missing
 * @throws Error where the session does not come about, with its own words
 */
export async function startSession(machine: string, place: Place): Promise<Session> {
  const port = await freePort();
  // A process group of its own, because `aws` does not hand signals on to the plugin, which alone ends a session well.
  const child = spawn(AWS_COMMAND, sessionArguments(machine, port, place), {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gone = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
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
  const endWithMe = (): void => signalGroup(child, 'SIGINT');
  process.once('exit', endWithMe);
  const close = async (): Promise<void> => {
    signalGroup(child, 'SIGINT');
    const late = setTimeout(() => signalGroup(child, 'SIGKILL'), CLOSE_WITHIN_MS);
    await gone;
    clearTimeout(late);
    process.off('exit', endWithMe);
  };
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

function signalGroup({ pid, exitCode, signalCode }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
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

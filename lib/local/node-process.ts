import { type ChildProcess, spawn } from 'node:child_process';
import { ENVIRONMENT, type ReadyMessage } from '../model/contract';
import { UserError } from '../model/user-error';
import { StartError } from './start-error';

/** The node's program made ready to be started many times. */
export interface NodeBundle {
  readonly file: string;
  /** For the Node.js that runs it. */
  readonly flags: readonly string[];
}

/** What one node is told, by the names of `ENVIRONMENT`. */
export type NodeSettings = { readonly [K in Exclude<keyof typeof ENVIRONMENT, 'inline'>]?: string };

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One running process, with one node or, inline, many. */
export interface NodeProcess {
  readonly pid: number;
  /** One message a node, in the order they came; rejects with a `StartError` when the process ends before. */
  readonly ready: Promise<readonly ReadyMessage[]>;
  /** Resolves when it has ended and its stderr is read. */
  readonly exited: Promise<Exit>;
  /** The last of what it wrote to stderr, as far as `onStderr` was not told. */
  stderr(): string;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

const STDERR_CHARACTERS = 8_192;

export interface NodeProcessOptions {
  /** For messages: the instance, or `all nodes`. */
  readonly name: string;
  readonly bundle: NodeBundle;
  readonly variables: Readonly<Record<string, string>>;
  /** How many nodes it runs. */
  readonly nodes: number;
  /** A process that is not ready by then is killed. */
  readonly startTimeoutMs: number;
  /** Told each line of stderr from when it is ready on; what comes before explains a failed start. */
  readonly onStderr?: (line: string) => void;
}

export function startNodeProcess(options: NodeProcessOptions): NodeProcess {
  const { name, bundle, variables, nodes, startTimeoutMs, onStderr = () => {} } = options;
  const child = spawn(process.execPath, [...bundle.flags, bundle.file], {
    // A session of its own: Ctrl-C in the terminal is for the launcher, which then stops its nodes in good order. Were the
    // launcher killed, the closed IPC channel ends the node.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...inheritedEnvironment(), ...variables },
  });
  let stderr = '';
  let up = false;
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = printable(stderr + text).slice(-STDERR_CHARACTERS);
    if (!up) return;
    const lines = stderr.split('\n');
    stderr = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') onStderr(line);
  });

  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
    // Never started: no 'close' follows.
    child.once('error', () => child.pid === undefined && resolve({ code: null, signal: null }));
  });
  const ready = new Promise<readonly ReadyMessage[]>((resolve, reject) => {
    const messages: ReadyMessage[] = [];
    const timer = setTimeout(() => {
      reject(new StartError(name, `was not ready within ${startTimeoutMs / 1000} s`, stderr.trim()));
      child.kill('SIGKILL');
    }, startTimeoutMs);
    child.on('message', (message) => {
      if (!isReady(message)) return;
      messages.push(message);
      if (messages.length < nodes) return;
      clearTimeout(timer);
      up = true;
      resolve(messages);
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(spawnFault(name, error));
    });
    void exited.then((exit) => {
      clearTimeout(timer);
      reject(new StartError(name, `${describeExit(exit)} before it was ready`, stderr.trim()));
    });
  });
  // Whoever waits for it sees the rejection; a process that is stopped during its start may have nobody waiting.
  ready.catch(() => {});

  return {
    pid: child.pid ?? 0,
    ready,
    exited,
    stderr: () => stderr.trim(),
    kill: (signal) => sendSignal(child, signal),
  };
}

/** The variables of one node. */
export function nodeVariables(settings: NodeSettings): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [ENVIRONMENT[key as keyof typeof ENVIRONMENT], value]),
  );
}

export function describeExit({ code, signal }: Exit): string {
  return signal ? `was ended by ${signal}` : `ended with code ${code}`;
}

/** Ours, without what only the launcher may say to its nodes. */
function inheritedEnvironment(): NodeJS.ProcessEnv {
  const names = new Set<string>(Object.values(ENVIRONMENT));
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !names.has(name)));
}

function sendSignal(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
}

/** What a node says may hold what a request brought: it must not steer the terminal. */
function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, '\ufffd');
}

function isReady(message: unknown): message is ReadyMessage {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'ready';
}

function spawnFault(name: string, error: NodeJS.ErrnoException): Error {
  const where = name;
  const remedy = 'use fewer replicas, `--inline`, or raise the limit';
  if (error.code === 'EAGAIN') {
    return new UserError({ where, problem: 'no process can be started: too many of them (ulimit -u)', remedy });
  }
  if (error.code === 'EMFILE' || error.code === 'ENFILE') {
    return new UserError({ where, problem: 'no process can be started: too many open files (ulimit -n)', remedy });
  }
  if (error.code === 'ENOMEM') {
    return new UserError({ where, problem: 'no process can be started: too little memory', remedy });
  }
  return new StartError(name, `can't be started: ${error.message}`, '');
}

import { spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { ROOT } from './command';
import { python } from './python';

/** moto's server: AWS's APIs on a free loopback port, in memory. */
export interface Emulator {
  readonly url: string;
  /** What points the CDK, the SDK and boto3 to it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Everything it has said. */
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

export const REGION = 'eu-central-1';
export const ACCOUNT = '123456789012';
const START_MS = 120_000;

export async function startEmulator(): Promise<Emulator> {
  const programs = await python();
  const port = await freePort();
  const child = spawn(
    join(programs, 'python'),
    [join(ROOT, 'test', 'aws', 'emulator.py'), '-H', '127.0.0.1', '-p', String(port)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PYTHONUNBUFFERED: '1' },
    },
  );
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  }
  const stop = async (): Promise<void> => {
    if (child.exitCode === null) child.kill('SIGKILL');
    await ended;
  };
  // By name: the emulator takes a template's address with a number for a bucket's host.
  const url = `http://localhost:${port}`;
  for (const deadline = performance.now() + START_MS; ; ) {
    const up = await fetch(`${url}/moto-api/`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (up) break;
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop();
      throw new Error(`the emulator did not start:\n${log.slice(-2_000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const env = {
    AWS_ENDPOINT_URL: url,
    AWS_ACCESS_KEY_ID: 'testing',
    AWS_SECRET_ACCESS_KEY: 'testing',
    AWS_SESSION_TOKEN: undefined,
    AWS_PROFILE: undefined,
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    CDK_DISABLE_VERSION_CHECK: '1',
  };
  return { url, env, log: () => log, stop };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

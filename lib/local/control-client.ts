import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { STATE, TOKEN_SCHEME } from '../model/contract';
import { KEY_TEXT, signToken, type TokenPurpose } from '../model/token';
import { UserError } from '../model/user-error';

/** What a node's control interface answered. */
export interface ControlReply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: each request has an answer of its own shape
  readonly body: any;
}

const TIMEOUT_MS = 10_000;
const TOKEN_LIFE_MS = 60_000;
const MAX_ANSWER_BYTES = 16_777_216;

/**
 * The key of a deployment, from its folder.
 *
 * @throws UserError where it can't be read: by another user, or after the deployment has stopped
 */
export function readKey(folder: string): string {
  return readKeyFile(join(folder, STATE.key));
}

/** The same from a file of any name. */
export function readKeyFile(path: string): string {
  let key: string;
  try {
    key = readFileSync(path, 'utf8').trim();
  } catch (error) {
    const problem = `the key can't be read (${(error as NodeJS.ErrnoException).code})`;
    throw new UserError({ where: path, problem, remedy: 'use the account that started the deployment' });
  }
  if (KEY_TEXT.test(key)) return key;
  throw new UserError({ where: path, problem: 'holds no key', remedy: 'start the deployment anew' });
}

/**
 * Asks the control interface of one node, or of the launcher.
 *
 * @param port on 127.0.0.1; null where the node has none, which is an Error too
 * @param body sent as JSON; nothing where left out
 * @param timeoutMs how long to wait for the whole answer
 * @throws Error where there is no whole answer in time
 */
export async function askControl(
  port: number | null,
  purpose: Extract<TokenPurpose, `${string} /${string}`>,
  { key, topology }: { readonly key: string; readonly topology: string },
  body?: unknown,
  timeoutMs = TIMEOUT_MS,
): Promise<ControlReply> {
  if (port === null) throw new Error('it has no control interface');
  const text = body === undefined ? '' : JSON.stringify(body);
  const token = signToken(key, { purpose, topology, body: text }, Date.now() + TOKEN_LIFE_MS);
  const [method, path] = purpose.split(' ');
  const headers = {
    authorization: `${TOKEN_SCHEME} ${token}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  };
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: '127.0.0.1', port, method, path, headers, agent: false, signal: AbortSignal.timeout(timeoutMs) },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > MAX_ANSWER_BYTES) request.destroy(new Error('the answer is too long'));
          chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () => {
          try {
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString('utf8')) });
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    request.on('error', reject);
    request.end(text);
  });
}

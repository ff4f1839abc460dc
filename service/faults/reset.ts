import { request as httpRequest, type ServerResponse } from 'node:http';
import { CallError, type OutgoingRequest } from '../call/outgoing';
import type { Outcome } from '../steps/outcome';
import type { Scene } from './effects';
import { endedBy } from './outcomes';

/** The caller's connection is reset in place of an answer. */
export function reset({ id }: Scene): Outcome {
  return endedBy(id, { drop: 'reset' });
}

/** Sends a TCP RST: the caller sees ECONNRESET. */
export function resetConnection(response: ServerResponse): void {
  if (response.socket) response.socket.resetAndDestroy();
  else response.destroy();
}

/**
 * Sends a whole request on a connection of its own and resets that at once: the callee may have read the request or not,
 * as after any broken connection. Rejects with the `CallError` that the clients have for it.
 */
export function sendAndReset({ instance, method, path, headers, body, timeoutMs }: OutgoingRequest): Promise<never> {
  return new Promise((_resolve, reject) => {
    const { address: host, port } = instance;
    const timer = setTimeout(() => {
      sent.destroy();
      reject(new CallError('TIMEOUT', `no whole answer within ${timeoutMs} ms`));
    }, timeoutMs);
    const settle = (error: CallError): void => {
      clearTimeout(timer);
      reject(error);
    };
    const length = body === null ? {} : { 'content-length': body.length };
    const sent = httpRequest({ agent: false, host, port, method, path, headers: { ...headers, ...length } });
    sent.once('finish', () => {
      sent.socket?.resetAndDestroy();
      settle(new CallError('RESET', 'the connection broke: this side reset it'));
    });
    sent.on('error', ({ message }) => settle(new CallError('CONNECT', `no connection: ${message}`)));
    sent.end(body ?? undefined);
  });
}

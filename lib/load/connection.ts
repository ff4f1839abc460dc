import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ErrorKind } from '../model/event';
import { type Malformed, type ResponseHead, responseParser } from './response-parser';

/** A connection that carries one exchange `X` at a time. */
export interface Connection<X> {
  /** `address:port` */
  readonly address: string;
  /** What it works on now. */
  exchange: X | undefined;
  /** Connected, and for https shaken hands: from here on the other side may see what is sent. */
  isOpen: boolean;
  isDead: boolean;
  /** By the monotonic clock, in milliseconds. */
  idleUntil: number;
  /** Writes a request once the connection is open, and reads its answer. */
  send(text: string, method: string, exchange: X): void;
  destroy(): void;
}

export interface ConnectionOptions<X> {
  readonly host: string;
  readonly port: number;
  /** The name to ask a certificate for; undefined for plain TCP. */
  readonly servername: string | undefined;
  /**
   * Where plain sockets read to. All may share one: libuv fills it and hands it on within one turn of the loop.
   */
  readonly readBuffer: Buffer;
  /** @param reusable whether the connection may carry another exchange */
  readonly onAnswer: (
    connection: Connection<X>,
    exchange: X,
    head: ResponseHead,
    bodyBytes: number,
    reusable: boolean,
  ) => void;
  /** The exchange has no usable answer; the connection is destroyed. */
  readonly onFailure: (connection: Connection<X>, exchange: X, kind: ErrorKind, message: string) => void;
}

const UNASKED: Malformed = { problem: 'bytes came that no request asked for' };

export function openConnection<X>(options: ConnectionOptions<X>): Connection<X> {
  const { host, port, servername, readBuffer, onAnswer, onFailure } = options;
  const parser = responseParser();

  const take = (chunk: Buffer): void => {
    // Bytes that nobody asked for: the connection can't be trusted any more.
    const result = connection.exchange === undefined ? UNASKED : parser.push(chunk);
    if (result === 'done') finish();
    else if (result !== 'more') fail('BODY', result.problem);
  };

  const finish = (): void => {
    const { exchange } = connection;
    if (exchange === undefined || !parser.head) return;
    connection.exchange = undefined;
    const reusable = parser.reusable && !connection.isDead;
    if (!reusable) connection.destroy();
    onAnswer(connection, exchange, parser.head, parser.bodyBytes, reusable);
  };

  const fail = (kind: ErrorKind, message: string): void => {
    const { exchange } = connection;
    connection.destroy();
    if (exchange !== undefined) onFailure(connection, exchange, kind, message);
  };

  const broke = (how: string): void => {
    if (!connection.isOpen) fail('CONNECT', `${how} at ${connection.address}`);
    else if (connection.exchange !== undefined && parser.head) {
      fail('BODY', `${how} after ${parser.bodyBytes} bytes of the body`);
    } else fail('RESET', `${how} before the answer`);
  };

  const socket = openSocket();
  const connection: Connection<X> = {
    address: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    exchange: undefined,
    isOpen: false,
    isDead: false,
    idleUntil: 0,
    send: (text, method, exchange) => {
      connection.exchange = exchange;
      parser.expect(method);
      socket.write(text, 'latin1');
    },
    destroy: () => {
      connection.isDead = true;
      connection.exchange = undefined;
      socket.destroy();
    },
  };
  socket.once(servername === undefined ? 'connect' : 'secureConnect', () => {
    connection.isOpen = true;
  });
  socket.on('end', () => {
    if (connection.exchange !== undefined && parser.end() === 'done') finish();
    else broke('the connection was closed');
  });
  socket.on('error', (error: NodeJS.ErrnoException) => broke(error.code ?? error.message));
  socket.on('close', () => broke('the connection was closed'));
  return connection;

  function openSocket(): Socket {
    if (servername !== undefined) {
      const tls = connectTls({ host, port, servername, ALPNProtocols: ['http/1.1'] });
      return tls.setNoDelay(true).on('data', take);
    }
    const callback = (bytes: number, buffer: Uint8Array): boolean => {
      take((buffer as Buffer).subarray(0, bytes));
      return true;
    };
    return connectTcp({ host, port, noDelay: true, onread: { buffer: readBuffer, callback } });
  }
}

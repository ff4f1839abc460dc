import type { ErrorKind } from '../model/event';
import type { Addresses } from './addresses';
import { type Connection, openConnection } from './connection';
import { type Due, deadlineQueue } from './deadline-queue';
import type { ResponseHead } from './response-parser';

export interface HttpClientOptions<X> {
  readonly origin: URL;
  readonly addresses: Addresses;
  /** From the moment of sending to the last byte of the answer, connecting included. */
  readonly timeoutMs: number;
  readonly onAnswer: (exchange: X, head: ResponseHead, bodyBytes: number) => void;
  readonly onFailure: (exchange: X, kind: ErrorKind, message: string) => void;
}

/**
 * The driver's own HTTP/1.1 client: one request at a time on a connection, no pipelining, no retry, no redirect. Each
 * request ends in exactly one `onAnswer` or `onFailure`, before or after `send` returns.
 */
export interface HttpClient<X> {
  /** @param text the whole request, one byte a character */
  send(text: string, method: string, exchange: X): void;
  /** Fails all requests under way as CLIENT_GONE and closes all connections. */
  close(reason: string): void;
}

/** A request under way; in the queue of deadlines for as long. */
interface Flight<X> extends Due {
  readonly exchange: X;
  readonly connection: Connection<Flight<X>>;
}

/**
 * Idle connections are given up before a server does it: Node's servers close after 5 s, most others later, and a
 * request that crosses the server's close on the wire would be lost through no fault of the system under test.
 */
const IDLE_MS = 4_000;
/** Share of the time promised by `keep-alive: timeout=` that is made use of. */
const PROMISE_SHARE = 0.8;
const SWEEP_MS = 1_000;
const READ_BUFFER_BYTES = 65_536;

export function httpClient<X>(options: HttpClientOptions<X>): HttpClient<X> {
  const { origin, addresses, timeoutMs } = options;
  const secure = origin.protocol === 'https:';
  const port = Number(origin.port) || (secure ? 443 : 80);
  const servername = secure ? origin.hostname.replace(/^\[|\]$/g, '') : undefined;
  const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  const connections = new Set<Connection<Flight<X>>>();
  /** The connection used last is used first, so that what is not needed ages and closes. */
  const idle: Connection<Flight<X>>[] = [];

  const onAnswer = (
    connection: Connection<Flight<X>>,
    flight: Flight<X>,
    head: ResponseHead,
    bodyBytes: number,
    reusable: boolean,
  ): void => {
    deadlines.remove(flight);
    if (reusable) {
      const promisedMs = head.keepAliveMs === undefined ? IDLE_MS : head.keepAliveMs * PROMISE_SHARE;
      connection.idleUntil = performance.now() + Math.min(IDLE_MS, promisedMs);
      idle.push(connection);
    } else connections.delete(connection);
    options.onAnswer(flight.exchange, head, bodyBytes);
  };

  const onFailure = (connection: Connection<Flight<X>>, flight: Flight<X>, kind: ErrorKind, message: string): void => {
    connections.delete(connection);
    deadlines.remove(flight);
    options.onFailure(flight.exchange, kind, message);
  };

  /** The connection destroyed has forgotten the flight and tells of it no more. */
  const giveUp = (flight: Flight<X>, kind: ErrorKind, message: string): void => {
    flight.connection.destroy();
    connections.delete(flight.connection);
    options.onFailure(flight.exchange, kind, message);
  };

  const deadlines = deadlineQueue<Flight<X>>(timeoutMs, (flight) => {
    const { isOpen, address } = flight.connection;
    if (isOpen) giveUp(flight, 'TIMEOUT', `no answer within ${timeoutMs} ms`);
    else giveUp(flight, 'CONNECT', `no connection to ${address} within ${timeoutMs} ms`);
  });

  const discard = (connection: Connection<Flight<X>>): void => {
    connection.destroy();
    connections.delete(connection);
  };

  const idleConnection = (): Connection<Flight<X>> | undefined => {
    const now = performance.now();
    for (let connection = idle.pop(); connection; connection = idle.pop()) {
      if (!connection.isDead && connection.idleUntil > now) return connection;
      discard(connection);
    }
    return undefined;
  };

  const newConnection = (): Connection<Flight<X>> => {
    const connection = openConnection<Flight<X>>({
      host: addresses.next(),
      port,
      servername,
      readBuffer,
      onAnswer,
      onFailure,
    });
    connections.add(connection);
    return connection;
  };

  const sweep = setInterval(() => {
    const now = performance.now();
    let kept = 0;
    for (const connection of idle) {
      if (connection.isDead || connection.idleUntil <= now) discard(connection);
      else idle[kept++] = connection;
    }
    idle.length = kept;
  }, SWEEP_MS);

  return {
    send: (text, method, exchange) => {
      const connection = idleConnection() ?? newConnection();
      const flight: Flight<X> = { exchange, connection, dueAt: 0, earlier: null, later: null };
      deadlines.add(flight);
      connection.send(text, method, flight);
    },
    close: (reason) => {
      clearInterval(sweep);
      deadlines.stop();
      for (const connection of [...connections]) {
        const { exchange: flight } = connection;
        if (flight) giveUp(flight, 'CLIENT_GONE', reason);
        else discard(connection);
      }
    },
  };
}

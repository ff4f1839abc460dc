import { type AddressInfo, createServer, type Socket } from 'node:net';

/**
 * The other side of the load bench, in a process of its own: answers over raw sockets, so that it costs little beside
 * the driver. Told by its first message how; answers with its port.
 */
export interface Behaviour {
  /** Each answer leaves so many milliseconds after its request came. */
  readonly delayMs: number;
  /** Answers due in this time are held until its end; milliseconds since the first request. */
  readonly stall: { readonly fromMs: number; readonly toMs: number } | null;
}

const BODY = JSON.stringify({ service: 'web', instance: 'web-1', requestId: '0'.repeat(16), payload: 'x'.repeat(120) });
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\nx-request-id: ${'0'.repeat(16)}\r\nx-microcosm-clock: ${'0'.repeat(16)}\r\ndate: Sat, 21 Nov 2026 05:44:29 GMT\r\n\r\n${BODY}`,
);

process.once('message', (behaviour: Behaviour) => {
  const answer = behaviour.delayMs === 0 ? (socket: Socket) => socket.write(ANSWER) : delayed(behaviour);
  // Requests without a body, one at a time, from a driver on the same machine: each comes in one piece.
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', () => answer(socket));
    socket.on('error', () => undefined);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
    process.send?.((server.address() as AddressInfo).port);
  });
});
process.on('disconnect', () => process.exit());

/** One timer for all answers, which leave within about a millisecond of their time. */
function delayed({ delayMs, stall }: Behaviour): (socket: Socket) => void {
  const waiting: { readonly socket: Socket; readonly dueAt: number }[] = [];
  let front = 0;
  let firstAt: number | undefined;
  const answerDue = (): void => {
    const now = performance.now();
    for (let due = waiting[front]; due && due.dueAt <= now; due = waiting[++front]) due.socket.write(ANSWER);
    const next = waiting[front];
    if (next) setTimeout(answerDue, Math.floor(next.dueAt - performance.now()));
  };
  return (socket) => {
    const now = performance.now();
    firstAt ??= now;
    const [from, to] = stall ? [firstAt + stall.fromMs, firstAt + stall.toMs] : [0, 0];
    // Held back is what comes in the stall; what came before it is under way already.
    waiting.push({ socket, dueAt: Math.max(now + delayMs, now >= from && now < to ? to : 0) });
    if (front === waiting.length - 1) answerDue();
  };
}

import { type Dispatcher, Pool } from 'undici';
import { CONNECTIONS, cancelled, classify, closed, joinAnswer, pickHeaders, timedOut, tooLong } from './client-answer';
import type { CallError, HttpClient, IncomingAnswer, Instance, OutgoingRequest } from './outgoing';

/** Pools of instances that are gone are closed when this many others have come. */
const MAX_POOLS = 256;

/** Calls through undici: one pool an instance, `dispatch` with a handler of our own. */
export function createUndiciClient(): HttpClient {
  const pools = new Map<string, Pool>();
  let isClosed = false;

  function poolOf({ address, port }: Instance): Pool {
    const origin = `http://${address}:${port}`;
    let pool = pools.get(origin);
    if (!pool) {
      if (pools.size >= MAX_POOLS) closeIdle(pools);
      pool = new Pool(origin, {
        connections: CONNECTIONS.perInstance,
        connectTimeout: CONNECTIONS.connectMs,
        // Both, since a server's own hint would else lengthen it.
        keepAliveTimeout: CONNECTIONS.idleMs,
        keepAliveMaxTimeout: CONNECTIONS.idleMs,
        // The attempt's one timer bounds all of it.
        headersTimeout: 0,
        bodyTimeout: 0,
        pipelining: 1,
      });
      pools.set(origin, pool);
    }
    return pool;
  }

  return {
    request(outgoing) {
      if (isClosed) return Promise.reject(closed());
      return new Promise((resolve, reject) => dispatch(poolOf(outgoing.instance), outgoing, resolve, reject));
    },
    async close() {
      isClosed = true;
      const all = [...pools.values()];
      pools.clear();
      await Promise.all(all.map((pool) => pool.destroy()));
    },
  };
}

function closeIdle(pools: Map<string, Pool>): void {
  for (const [origin, pool] of pools) {
    if (pool.stats.running + pool.stats.pending + pool.stats.queued > 0) continue;
    pools.delete(origin);
    void pool.destroy();
  }
}

function dispatch(
  pool: Pool,
  { method, path, headers, body, timeoutMs, maxAnswerBytes, signal }: OutgoingRequest,
  resolve: (answer: IncomingAnswer) => void,
  reject: (error: CallError) => void,
): void {
  // Stands in the other client too: shared as an object of functions it made a call a third dearer (`bench/node.ts`).
  let settled = false;
  let controller: Dispatcher.DispatchController | undefined;
  let status = 0;
  let answerHeaders = {};
  let answered = false;
  let bytes = 0;
  const chunks: Buffer[] = [];

  const fail = (error: CallError) => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    reject(error);
    // Takes the connection down with it; a request still in the queue is dropped when its turn comes.
    controller?.abort(error);
  };
  const timer = setTimeout(() => fail(timedOut(timeoutMs)), timeoutMs);
  signal?.addEventListener('abort', () => fail(cancelled()), { once: true });

  pool.dispatch(
    { path, method: method as Dispatcher.HttpMethod, headers: headers as Record<string, string>, body },
    {
      onRequestStart(started) {
        controller = started;
        if (settled) started.abort(timedOut(timeoutMs));
      },
      onResponseStart(started, code) {
        if (code < 200) return;
        answered = true;
        status = code;
        answerHeaders = pickHeaders((started.rawHeaders as Buffer[]).map((each) => each.toString('latin1')));
      },
      onResponseData(_controller, chunk) {
        bytes += chunk.length;
        if (bytes > maxAnswerBytes) fail(tooLong(maxAnswerBytes));
        else chunks.push(chunk);
      },
      onResponseEnd() {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        resolve(joinAnswer(status, answerHeaders, chunks));
      },
      onResponseError(_controller, error) {
        fail(classify(error, { written: controller !== undefined, answered, bodyBytes: body?.length ?? 0 }));
      },
    },
  );
}

import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import { BAGGAGE, HEADERS, ITINERARY, TOKEN_SCHEME } from '../../lib/model/contract';
import { signOverlay } from '../../lib/model/overlay';
import { signToken } from '../../lib/model/token';
import { type Ask, send, startMesh } from './mesh';

const KEY = '7c'.repeat(32);
const LIFE_MS = 5_000;

test('what was let in is refused when it is sent again after its expiry, and the log says so', async (t) => {
  const spec = { name: 'solo', services: { web: { edge: true } } };
  const mesh = await startMesh(t, spec, [], { key: KEY, publicFaults: true });
  const controlPort = mesh.nodes.get('web-1')?.controlPort as number;
  // Tokens expire at whole seconds.
  const expiresAt = Math.ceil((Date.now() + LIFE_MS) / 1_000) * 1_000;
  const scope = { topology: 'solo', body: '' };
  const body = '{"designation":"web"}';
  const itinerary = signToken(KEY, { ...scope, purpose: 'itinerary', body }, expiresAt);
  const overlay = signOverlay([{ service: 'web', type: 'error', at: 'before' }], KEY, 'solo', expiresAt);
  const state = `${TOKEN_SCHEME} ${signToken(KEY, { ...scope, purpose: 'GET /state' }, expiresAt)}`;
  const asks: readonly (() => Promise<{ readonly status: number }>)[] = [
    ...(['edge', 'mesh'] as const).flatMap((port) => {
      const headers = { 'content-type': ITINERARY.contentType, [HEADERS.token]: itinerary };
      const whole: readonly Ask[] = [
        { method: 'POST', headers, body, port },
        { headers: { [HEADERS.baggage]: `${BAGGAGE.overlay}=${overlay}` }, port },
      ];
      return whole.map((ask) => () => mesh.ask('web', ask));
    }),
    () => send(controlPort, { path: '/state', headers: { authorization: state } }),
  ];
  const statuses = async () => {
    const answers: number[] = [];
    for (const ask of asks) answers.push((await ask()).status);
    return answers;
  };
  // The overlay's own fault answers 500: it was let in.
  t.deepEqual(await statuses(), [200, 500, 200, 500, 200]);
  await wait(Math.max(0, expiresAt - Date.now()) + 50);
  t.deepEqual(await statuses(), [403, 403, 403, 403, 403]);
  const refusals = (await mesh.events()).filter(({ error, run }) => error?.kind === 'FORBIDDEN' && run === '-');
  t.is(refusals.length, asks.length);
  for (const { error } of refusals) t.regex(error?.message ?? '', /expired token/);
});

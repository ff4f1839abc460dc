import test from 'ava';
import { stopOrder } from '../../../lib/local/stop-order';
import { resolve } from '../../../lib/model/resolve';
import { topology } from '../../../lib/model/spec';

test('callers stop before those they call, and circles stop together', (t) => {
  const spec = topology({
    services: {
      web: { edge: true, calls: ['cart', 'catalog'] },
      cart: { calls: ['catalog'] },
      catalog: { calls: ['ping'] },
      ping: { calls: [{ call: 'pong', probability: 0.5 }] },
      pong: { calls: [{ call: 'ping', probability: 0.5 }, 'end'] },
      end: {},
    },
  });
  const waves = stopOrder(resolve(spec, 'waves')).map((wave) => [...wave].sort());
  t.deepEqual(waves, [['web'], ['cart'], ['catalog'], ['end', 'ping', 'pong']]);
});

test('a service that calls itself waits for nobody', (t) => {
  const spec = topology({
    services: { web: { edge: true, calls: [{ call: 'web', probability: 0.1 }, 'store'] }, store: {} },
  });
  t.deepEqual(
    stopOrder(resolve(spec, 'self')).map((wave) => [...wave]),
    [['web'], ['store']],
  );
});

import test from 'ava';
import { jsonBody, requestPlanner } from '../../../lib/load/planned-request';
import { edgeTargets, externalTarget } from '../../../lib/load/targets';
import { KEY_GRAMMAR } from '../../../lib/model/contract';
import { resolve } from '../../../lib/model/resolve';
import { topology } from '../../../lib/model/spec';
import { UserError } from '../../../lib/model/user-error';

const shop = resolve(
  topology({
    services: {
      web: {
        edge: true,
        endpoints: {
          'GET /': { weight: 6, calls: ['store'] },
          'GET /products/:id/parts/:part': { weight: 3 },
          'POST /cart': { weight: 1, requestBytes: { uniform: [10, 500] } },
          'GET /never': { weight: 0 },
        },
      },
      store: {},
    },
  }),
  'shop',
);

function plan(seed: string, count = 5000) {
  const planner = requestPlanner(edgeTargets(shop, ''), seed);
  return Array.from({ length: count }, (_, index) => planner(index));
}

test('a seed replays every request: endpoint, path, key and size; another seed changes them', (t) => {
  t.deepEqual(plan('a'), plan('a'));
  const [a, b] = [plan('a'), plan('b')];
  t.true(a.every(({ key }, i) => key !== b[i]?.key));
  t.true(a.some(({ path }, i) => path !== b[i]?.path));
});

test('a request is the same whatever was planned before it', (t) => {
  const planner = requestPlanner(edgeTargets(shop, ''), 'a');
  t.deepEqual(planner(4321), plan('a')[4321] as ReturnType<typeof planner>);
});

test('endpoints are chosen by weight, and one of weight 0 never', (t) => {
  const requests = plan('a', 20_000);
  const share = (callee: string) => requests.filter(({ target }) => target.callee === callee).length / requests.length;
  t.true(Math.abs(share('web GET /') - 0.6) < 0.02);
  t.true(Math.abs(share('web GET /products/:id/parts/:part') - 0.3) < 0.02);
  t.true(Math.abs(share('web POST /cart') - 0.1) < 0.02);
  t.is(share('web GET /never'), 0);
});

test('keys are unique and within the grammar that nodes take', (t) => {
  const keys = plan('any seed: "even\n\u2603 this').map(({ key }) => key);
  t.is(new Set(keys).size, keys.length);
  t.true(keys.every((key) => KEY_GRAMMAR.test(key)));
});

test('path parameters are filled one by one, and bodies have the size drawn', (t) => {
  const requests = plan('a');
  const paths = requests.filter(({ target }) => target.parameters).map(({ path }) => path);
  t.true(paths.every((path) => /^\/products\/\d{1,4}\/parts\/\d{1,4}$/.test(path)));
  t.true(new Set(paths).size > 1000);
  const sizes = requests.filter(({ target }) => target.method === 'POST').map(({ bodyBytes }) => bodyBytes ?? -1);
  t.true(sizes.every((size) => size >= 10 && size <= 500));
  t.true(new Set(sizes).size > 100);
});

test('with several edge services paths begin with the service, below the path of the URL', (t) => {
  const two = resolve(topology({ services: { web: { edge: true }, api: { edge: true, requestBytes: 20 } } }), 'two');
  t.deepEqual(
    edgeTargets(two, '/base/').map(({ method, path }) => `${method} ${path}`),
    ['GET /base/web/', 'POST /base/api/'],
  );
});

test('a topology whose edge takes no traffic is refused', (t) => {
  const idle = resolve(topology({ services: { web: { edge: true, weight: 0 } } }), 'idle');
  t.throws(() => edgeTargets(idle, ''), { instanceOf: UserError });
});

test('a target outside of any topology is asked for exactly its path', (t) => {
  t.is(externalTarget('/', undefined)[0]?.path, '/');
  t.is(externalTarget('/base', '/a:b?c=:d')[0]?.path, '/base/a:b?c=:d');
  const [target] = externalTarget('/x/:id', undefined);
  t.is(requestPlanner([target as NonNullable<typeof target>], 'a')(0).path, '/x/:id');
});

test('bodies are JSON of exactly the size asked for', (t) => {
  for (const bytes of [1, 2, 3, 13, 14, 15, 1000, 100_000]) {
    t.is(Buffer.byteLength(jsonBody(bytes)), bytes);
    t.notThrows(() => JSON.parse(jsonBody(bytes)), `${bytes}`);
  }
  t.is(jsonBody(0), '');
});

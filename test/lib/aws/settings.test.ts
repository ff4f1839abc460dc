import test from 'ava';
import { DEFAULT_RETENTION_DAYS, readSettings } from '../../../lib/aws/settings';
import { formatFault, UserError } from '../../../lib/model/user-error';

const read = (context: Record<string, unknown>) => readSettings((key) => context[key]);

test('a topology is all that has to be said; the edge is closed by default', (t) => {
  t.deepEqual(read({ topology: 'shop' }), {
    topology: 'shop',
    as: null,
    image: { kind: 'table' },
    certificate: null,
    clients: [],
    email: null,
    retentionDays: DEFAULT_RETENTION_DAYS,
    faults: false,
    publicFaults: false,
    operator: null,
  });
});

test('every setting is read', (t) => {
  const certificate = 'arn:aws:acm:eu-central-1:123456789012:certificate/6c5f9a7e-0000-4000-8000-000000000000';
  const settings = read({
    topology: './mine.ts',
    as: 'shop-2',
    image: 'ami-0123456789abcdef0',
    certificate,
    clients: '203.0.113.7/32, 198.51.100.0/24',
    email: 'who@example.com',
    retention: 7,
    faults: true,
    publicFaults: true,
    operator: 'arn:aws:iam::123456789012:role/ops/Fault-Raiser',
  });
  t.deepEqual(settings, {
    topology: './mine.ts',
    as: 'shop-2',
    image: { kind: 'id', id: 'ami-0123456789abcdef0' },
    certificate,
    clients: ['203.0.113.7/32', '198.51.100.0/24'],
    email: 'who@example.com',
    retentionDays: 7,
    faults: true,
    publicFaults: true,
    operator: 'arn:aws:iam::123456789012:role/ops/Fault-Raiser',
  });
  t.deepEqual(read({ topology: 'shop', image: 'latest' }).image, { kind: 'latest' });
});

test('every fault is named at once, with the value met and a remedy', (t) => {
  const error = t.throws(
    () =>
      read({
        as: 'Shop',
        image: 'ubuntu',
        certificate: 'arn:aws:iam::1:x',
        clients: '203.0.113.7,1.2.3.400/8',
        email: 'x',
        retention: 8,
        faults: 'yes',
        publicFaults: 'open',
        operator: 'me',
      }),
    { instanceOf: UserError },
  );
  const wheres = error.faults.map(({ where }) => where);
  t.deepEqual(wheres, [
    '-c topology',
    '-c as',
    '-c image',
    '-c certificate',
    '-c clients',
    '-c clients',
    '-c email',
    '-c retention',
    '-c faults',
    '-c publicFaults',
    '-c operator',
  ]);
  const [useless, ...others] = t.throws(
    () => read({ topology: 'shop', operator: 'arn:aws:iam::123456789012:user/me' }),
    {
      instanceOf: UserError,
    },
  ).faults;
  t.deepEqual(others, []);
  t.regex(formatFault(useless as never), /^-c operator: there is no key to read; .*-c faults=true/);
  t.true(error.faults.every(({ problem, remedy }) => problem !== '' && remedy !== ''));
  t.true(error.message.includes('1.2.3.400/8'));
});

import test from 'ava';
import { checkMachine } from '../../../lib/local/preflight';
import { UserError } from '../../../lib/model/user-error';

const PLENTY = { availableMegabytes: 1e6, openFiles: undefined };

test('a machine with enough of everything is taken', (t) => {
  t.notThrows(() => checkMachine(1_000, false, PLENTY));
  t.notThrows(() => checkMachine(10, false));
});

test('too little memory and too few files are faults of one error, with what would do', (t) => {
  const error = t.throws(() => checkMachine(200, false, { availableMegabytes: 2_000, openFiles: 256 }), {
    instanceOf: UserError,
  });
  t.deepEqual(
    error.faults.map(({ where }) => where),
    ['memory', 'open files'],
  );
  t.regex(error.message, /200 instances need about 8000 MB, of which 2000 MB are available; .*`--inline`/);
  t.regex(error.message, /200 instances need about 600 open files, the limit is 256; raise it \(ulimit -n 600\)/);
});

test('one process for all needs less memory and is not proposed once more', (t) => {
  t.notThrows(() => checkMachine(1_000, true, { availableMegabytes: 1_000, openFiles: undefined }));
  const error = t.throws(() => checkMachine(9_000, true, { availableMegabytes: 1_000, openFiles: undefined }), {
    instanceOf: UserError,
  });
  t.false(error.message.includes('--inline'));
});

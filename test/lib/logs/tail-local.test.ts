import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type LogTail, tailLocal } from '../../../lib/logs/tail-local';
import { UserError } from '../../../lib/model/user-error';

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'microcosm-tail-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Everything that is there now, by name. */
function drain(tail: LogTail): Record<string, string> {
  const found: Record<string, string> = {};
  for (let more = true; more; ) {
    more = tail.poll({
      take({ name }, piece) {
        found[name] = (found[name] ?? '') + piece.toString('utf8');
      },
      gone({ name }) {
        found[name] = `${found[name] ?? ''}|`;
      },
    });
  }
  return found;
}

test('what is appended is read once, half lines and files that come later included', (t) => {
  const place = folder(t);
  const tail = tailLocal(() => [place, join(place, 'not-yet')]);
  t.deepEqual(drain(tail), {});
  writeFileSync(join(place, 'web-1.log'), 'one\ntw');
  writeFileSync(join(place, 'notes.txt'), 'no log');
  t.deepEqual(drain(tail), { 'web-1': 'one\ntw' });
  t.deepEqual(drain(tail), {});
  appendFileSync(join(place, 'web-1.log'), 'o\n');
  mkdirSync(join(place, 'not-yet'));
  writeFileSync(join(place, 'not-yet', 'cart-1.log'), 'late\n');
  t.deepEqual(drain(tail), { 'web-1': 'o\n', 'cart-1': 'late\n' });
});

test('a file that is linked into a second folder is one file', (t) => {
  const place = folder(t);
  const other = folder(t);
  const tail = tailLocal(() => [place, other]);
  writeFileSync(join(place, 'web-1.log'), 'a\n');
  t.deepEqual(drain(tail), { 'web-1': 'a\n' });
  linkSync(join(place, 'web-1.log'), join(other, 'web-1.log'));
  appendFileSync(join(place, 'web-1.log'), 'b\n');
  t.deepEqual(drain(tail), { 'web-1': 'b\n' });
  rmSync(join(place, 'web-1.log'));
  appendFileSync(join(other, 'web-1.log'), 'c\n');
  t.deepEqual(drain(tail), { 'web-1': 'c\n' });
});

test('a file that became shorter is read from its start', (t) => {
  const place = folder(t);
  const tail = tailLocal(() => [place]);
  writeFileSync(join(place, 'web-1.log'), 'a long line\n');
  drain(tail);
  writeFileSync(join(place, 'web-1.log'), 'new\n');
  t.deepEqual(drain(tail), { 'web-1': '|new\n' });
});

test('a file that was written anew is read from its start, though it is as long as before, or longer', (t) => {
  for (const text of ['x new line\n', 'a new line that is longer\n']) {
    const place = folder(t);
    const tail = tailLocal(() => [place]);
    writeFileSync(join(place, 'web-1.log'), 'a long line');
    drain(tail);
    writeFileSync(join(place, 'web-1.log'), text);
    // Clocks of file systems may stand still for some milliseconds.
    utimesSync(join(place, 'web-1.log'), new Date(), new Date(Date.now() + 1_000));
    t.deepEqual(drain(tail), { 'web-1': `|${text}` });
    t.deepEqual(drain(tail), {});
  }
});

test('what is written to a log that was renamed or removed is read, and so is its successor', (t) => {
  const place = folder(t);
  const path = join(place, 'web-1.log');
  const tail = tailLocal(() => [place]);
  appendFileSync(path, 'one\n');
  drain(tail);
  appendFileSync(path, 'two\n');
  renameSync(path, `${path}.1`);
  t.deepEqual(drain(tail), { 'web-1': 'two\n' });
  appendFileSync(`${path}.1`, 'three\n');
  appendFileSync(path, 'four\n');
  t.deepEqual(drain(tail), { 'web-1': 'three\nfour\n' });
  appendFileSync(path, 'five\n');
  rmSync(path);
  t.deepEqual(drain(tail), { 'web-1': 'five\n' });
});

test('a folder is no log, a link to nowhere none yet, and what can never be read is named', (t) => {
  const place = folder(t);
  const tail = tailLocal(() => [place]);
  mkdirSync(join(place, 'old.log'));
  symlinkSync(join(place, 'later'), join(place, 'web-1.log'));
  t.deepEqual(drain(tail), {});
  writeFileSync(join(place, 'later'), 'one\n');
  t.deepEqual(drain(tail), { 'web-1': 'one\n' });
  symlinkSync(join(place, 'loop.log'), join(place, 'loop.log'));
  t.throws(() => drain(tail), { instanceOf: UserError, message: /loop\.log: the file can't be read/ });
});

test('of large files that are there already, pieces come in proportion to their lengths', (t) => {
  const place = folder(t);
  writeFileSync(join(place, 'small.log'), 's'.repeat(500_000));
  writeFileSync(join(place, 'large.log'), 'l'.repeat(2_000_000));
  const tail = tailLocal(() => [place]);
  const got: Record<string, number> = { small: 0, large: 0 };
  for (let more = true; more; ) {
    more = tail.poll({
      take({ name }, piece) {
        got[name] = (got[name] ?? 0) + piece.length;
      },
      gone: ({ name }) => t.fail(name),
    });
    const [small = 0, large = 0] = [got.small, got.large];
    t.true(Math.abs(small / 500_000 - large / 2_000_000) < 0.05, `${small} ${large}`);
  }
  t.deepEqual(got, { small: 500_000, large: 2_000_000 });
});

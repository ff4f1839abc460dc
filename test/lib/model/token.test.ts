import test from 'ava';
import fc from 'fast-check';
import { signToken, TOKEN_MAX_MS, type TokenScope, tokenExpiry, tokenFault } from '../../../lib/model/token';

const KEY = 'a1'.repeat(32);
const NOW = 1_800_000_000_000;
const scope: TokenScope = { purpose: 'itinerary', topology: 'shop', body: '{"a":1}' };

test('a token is good for what it was signed for, until its expiry', (t) => {
  const token = signToken(KEY, scope, NOW + 60_000);
  t.is(tokenFault(token, KEY, scope, NOW), undefined);
  t.is(tokenFault(token, KEY, { ...scope, body: Buffer.from('{"a":1}') }, NOW + 59_999), undefined);
  t.is(tokenFault(token, KEY, scope, NOW + 60_000), 'expired token');
  t.is(tokenExpiry(token), NOW + 60_000);
});

test('another key, purpose, topology or body, or another expiry written into it, is refused', (t) => {
  const token = signToken(KEY, scope, NOW + 60_000);
  t.is(tokenFault(token, 'b2'.repeat(32), scope, NOW), 'wrong token');
  t.is(tokenFault(token, KEY, { ...scope, purpose: 'overlay' }, NOW), 'wrong token');
  t.is(tokenFault(token, KEY, { ...scope, topology: 'other' }, NOW), 'wrong token');
  t.is(tokenFault(token, KEY, { ...scope, body: '{"a":2}' }, NOW), 'wrong token');
  t.is(tokenFault(token.replace(/^\d+/, String(NOW / 1000 + 3600)), KEY, scope, NOW), 'wrong token');
  t.is(tokenFault(signToken(KEY, scope, NOW + TOKEN_MAX_MS * 2), KEY, scope, NOW), 'token of too long a life');
  t.is(tokenFault(undefined, KEY, scope, NOW), 'no token');
});

test('no text but the one signed opens anything, and none throws', (t) => {
  const token = signToken(KEY, scope, NOW + 60_000);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{10}\.[A-Za-z0-9_-]{43}$/)), (text) => {
      t.true(text === token || tokenFault(text, KEY, scope, NOW) !== undefined);
    }),
  );
});

import { request } from 'node:http';
import { Duplex } from 'node:stream';
import test from 'ava';
import fc from 'fast-check';
import { responseParser } from '../../../lib/load/response-parser';

type Reading = { readonly status: number; readonly bytes: number } | 'refused';

/** Reads one answer in the pieces given, then the end of the connection. */
function read(pieces: readonly Buffer[], method = 'GET'): Reading {
  const parser = responseParser();
  parser.expect(method);
  for (const piece of pieces) {
    const result = parser.push(piece);
    if (result === 'done') return { status: parser.head?.status ?? 0, bytes: parser.bodyBytes };
    if (result !== 'more') return 'refused';
  }
  return parser.end() === 'done' ? { status: parser.head?.status ?? 0, bytes: parser.bodyBytes } : 'refused';
}

/** How many bytes the first answer takes. */
function answerEnd(wire: Buffer): number {
  const parser = responseParser();
  parser.expect('GET');
  const last = wire.findIndex((_byte, i) => parser.push(wire.subarray(i, i + 1)) !== 'more');
  return last < 0 ? wire.length : last + 1;
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const points = [0, ...[...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return points.slice(1).map((end, i) => bytes.subarray(points[i], end));
}

/** What Node's own client (llhttp) makes of the same bytes. */
function readByNode(bytes: Buffer, method = 'GET'): Promise<Reading> {
  return new Promise((resolve) => {
    const socket = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, callback) => {
        callback();
        if (socket.readableEnded) return;
        socket.push(bytes);
        socket.push(null);
      },
    });
    const client = request({ method, host: 'localhost', createConnection: () => socket as never });
    client.on('response', (response) => {
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
      });
      response.on('end', () =>
        resolve(response.complete ? { status: response.statusCode ?? 0, bytes: length } : 'refused'),
      );
      response.on('error', () => resolve('refused'));
    });
    client.on('upgrade', () => resolve('refused'));
    client.on('error', () => resolve('refused'));
    client.end();
  });
}

interface Message {
  readonly text: string;
  readonly status: number;
  readonly bytes: number;
}

const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/).map((name) => `x-${name}`);
const headerValue = fc.stringMatching(/^[ -~\t]{0,30}$/);
const headers = fc.array(fc.tuple(token, headerValue), { maxLength: 5 });
const spaces = fc.constantFrom('', ' ', '  ', '\t');
const finalStatus = fc.integer({ min: 200, max: 599 }).filter((status) => status !== 204 && status !== 304);
const body = fc.stringMatching(/^[a-z\r\n]{0,80}$/);

const headed = fc.tuple(finalStatus, fc.constantFrom('OK', '', 'Not Found At All'), headers, spaces);

function lines(status: number, reason: string, fields: readonly (readonly [string, string])[], space: string): string {
  return `HTTP/1.1 ${status} ${reason}\r\n${fields.map(([name, value]) => `${name}:${space}${value}\r\n`).join('')}`;
}

const withLength = fc.tuple(headed, body, fc.constantFrom('content-length', 'Content-Length')).map(
  ([[status, ...rest], text, name]): Message => ({
    text: `${lines(status, ...rest)}${name}: ${text.length}\r\n\r\n${text}`,
    status,
    bytes: text.length,
  }),
);

const chunk = fc.tuple(
  fc.stringMatching(/^[a-z\r\n]{1,40}$/),
  fc.constantFrom('', ';a=b', ';q="x y"'),
  fc.constantFrom('', '0', '00'),
  fc.boolean(),
);

const withChunks = fc.tuple(headed, fc.array(chunk, { maxLength: 5 }), headers).map(
  ([[status, ...rest], chunks, trailers]): Message => ({
    text: `${lines(status, ...rest)}Transfer-Encoding: Chunked\r\n\r\n${chunks
      .map(([data, extension, zeros, upper]) => {
        const size = data.length.toString(16);
        return `${zeros}${upper ? size.toUpperCase() : size}${extension}\r\n${data}\r\n`;
      })
      .join('')}0\r\n${trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    status,
    bytes: chunks.reduce((sum, [data]) => sum + data.length, 0),
  }),
);

const untilClose = fc.tuple(headed, body).map(
  ([[status, ...rest], text]): Message => ({
    text: `${lines(status, ...rest)}\r\n${text}`,
    status,
    bytes: text.length,
  }),
);

const bodiless = fc
  .tuple(fc.constantFrom(204, 304), headers)
  .map(([status, fields]): Message => ({ text: `${lines(status, 'X', fields, ' ')}\r\n`, status, bytes: 0 }));

const final = fc.oneof(withLength, withChunks, untilClose, bodiless);
const interim = fc.constantFrom('', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n');
const message = fc.tuple(interim, final).map(([before, after]): Message => ({ ...after, text: before + after.text }));
const cuts = fc.array(fc.nat(400), { maxLength: 8 });

test('an answer is read the same however its bytes are split', (t) => {
  fc.assert(
    fc.property(message, cuts, ({ text, status, bytes }, at) => {
      const wire = Buffer.from(text, 'latin1');
      t.deepEqual(read(split(wire, at)), { status, bytes });
      t.deepEqual(read(Array.from(wire, (_byte, i) => wire.subarray(i, i + 1))), { status, bytes });
    }),
    { numRuns: 300 },
  );
});

test("Node's own parser reads the same from them", async (t) => {
  await fc.assert(
    fc.asyncProperty(message, async ({ text, status, bytes }) => {
      t.deepEqual(await readByNode(Buffer.from(text, 'latin1')), { status, bytes });
    }),
    { numRuns: 200 },
  );
});

test("what it accepts of damaged answers Node's own parser accepts too, with the same meaning", async (t) => {
  const damage = fc.record({
    at: fc.nat(),
    remove: fc.nat(3),
    insert: fc.constantFrom(
      '',
      '\r',
      '\n',
      '\r\n',
      ' ',
      ':',
      '\0',
      '0',
      'f',
      ';',
      ',',
      '\x7f',
      '\xe9',
      'content-length: 3\r\n',
    ),
  });
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(message, fc.array(damage, { minLength: 1, maxLength: 2 }), cuts, async ({ text }, damages, at) => {
      let damaged = text;
      for (const { at: where, remove, insert } of damages) {
        const place = where % (damaged.length + 1);
        damaged = damaged.slice(0, place) + insert + damaged.slice(place + remove);
      }
      const wire = Buffer.from(damaged, 'latin1');
      const mine = read(split(wire, at));
      if (mine === 'refused') return;
      accepted += 1;
      // Bytes after the answer spoil Node's reading of it; here they end the connection's reuse.
      const nodes = await readByNode(wire.subarray(0, answerEnd(wire)));
      t.deepEqual(nodes, mine, JSON.stringify(damaged));
    }),
    { numRuns: 1000 },
  );
  t.true(accepted > 50, `${accepted}`);
});

const REFUSED: Readonly<Record<string, string>> = {
  'a foreign protocol': 'SSH-2.0-OpenSSH\r\n\r\n',
  'HTTP/2': 'HTTP/2 200 OK\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
  'a bare line feed': 'HTTP/1.1 200 OK\ncontent-length: 0\n\n\r\n\r\n',
  'a folded line': 'HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 0\r\n\r\n',
  'a space before the colon': 'HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na',
  'a signed length': 'HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\na',
  'a length and chunks': 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  'chunks coded again': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n',
  'an upgrade nobody asked for': 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
  'a chunk longer than its size': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n',
  'a chunk without size': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n0\r\n\r\n',
  'a chunk of absurd size': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffff\r\n',
  'a head without end': `HTTP/1.1 200 OK\r\nx-a: ${'a'.repeat(20_000)}`,
  'trailers without end': `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-a: ${'a'.repeat(20_000)}`,
  'a body cut short': 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc',
  'chunks cut short': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n',
};

for (const [what, text] of Object.entries(REFUSED)) {
  test(`${what} is refused`, (t) => {
    t.is(read([Buffer.from(text, 'latin1')]), 'refused');
  });
}

test('the answer to HEAD has no body whatever its length says', (t) => {
  t.deepEqual(read([Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n')], 'HEAD'), { status: 200, bytes: 0 });
});

test('a connection is reused only where the answer allows it and ends where it says', (t) => {
  const reusable = (text: string): boolean => {
    const parser = responseParser();
    parser.expect('GET');
    t.is(parser.push(Buffer.from(text)), 'done');
    return parser.reusable;
  };
  t.true(reusable('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
  t.false(reusable('HTTP/1.1 200 OK\r\nconnection: foo, Close\r\ncontent-length: 0\r\n\r\n'));
  t.false(reusable('HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n'));
  t.true(reusable('HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n'));
  t.false(reusable('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n'));
});

test('what the run needs of the head is read: request id, clock, the promise to stay', (t) => {
  const parser = responseParser();
  parser.expect('GET');
  parser.push(
    Buffer.from(
      'HTTP/1.1 200 OK\r\nX-Request-Id: 00000000000000ab\r\nx-microcosm-clock:  0123456789abcdef \r\nKeep-Alive: max=5, timeout=7\r\ncontent-length: 0\r\n\r\n',
    ),
  );
  t.deepEqual(parser.head, {
    status: 200,
    requestId: '00000000000000ab',
    clock: '0123456789abcdef',
    keepAliveMs: 7000,
  });
});

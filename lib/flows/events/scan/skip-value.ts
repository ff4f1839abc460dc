/**
 * Where JSON values end that nobody needs. Each function takes what `JSON.parse` takes, or less: it gives -1 for what it
 * is not sure of.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Where the quotation mark stands that ends a string, from behind its opening one. */
export function stringEnd(bytes: Buffer, at: number, last: number): number {
  let p = at;
  for (;;) {
    const byte = bytes[p] as number;
    if (byte === QUOTE) return p;
    if (byte < 0x20 || p > last) return -1;
    if (byte === BACKSLASH) {
      p += 1;
      const escaped = String.fromCharCode(bytes[p] as number);
      if (escaped === 'u') {
        if (!/^[0-9a-fA-F]{4}$/.test(bytes.toString('latin1', p + 1, p + 5))) return -1;
        p += 4;
      } else if (!'"\\/bfnrt'.includes(escaped)) return -1;
    }
    p += 1;
  }
}

/** Where a number ends. */
export function numberEnd(bytes: Buffer, at: number): number {
  let p = bytes[at] === 0x2d ? at + 1 : at;
  const whole = digitsEnd(bytes, p);
  if (whole === p || (bytes[p] === 0x30 && whole > p + 1)) return -1;
  p = whole;
  if (bytes[p] === 0x2e) {
    const decimals = digitsEnd(bytes, p + 1);
    if (decimals === p + 1) return -1;
    p = decimals;
  }
  if (((bytes[p] as number) | 0x20) === 0x65) {
    const sign = bytes[p + 1];
    const from = sign === 0x2b || sign === 0x2d ? p + 2 : p + 1;
    const exponent = digitsEnd(bytes, from);
    if (exponent === from) return -1;
    p = exponent;
  }
  return p;
}

/** Where an object or array ends, if it is one: its inside is not looked at but for strings. */
export function valueEnd(bytes: Buffer, at: number, last: number): number {
  let depth = 0;
  let p = at;
  do {
    const byte = bytes[p] as number;
    if (byte === QUOTE) {
      p += 1;
      while (bytes[p] !== QUOTE) {
        if ((bytes[p] as number) < 0x20 || p > last) return -1;
        p += bytes[p] === BACKSLASH ? 2 : 1;
      }
    } else if (byte === 0x7b || byte === 0x5b) depth += 1;
    else if (byte === 0x7d || byte === 0x5d) depth -= 1;
    else if (depth === 0 || byte < 0x20 || p > last) return -1;
    p += 1;
  } while (depth > 0);
  return p;
}

function digitsEnd(bytes: Buffer, at: number): number {
  let p = at;
  while ((bytes[p] as number) >= 0x30 && (bytes[p] as number) <= 0x39) p += 1;
  return p;
}

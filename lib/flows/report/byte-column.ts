/** Bytes that grow as they are written. */
export interface ByteColumn {
  readonly length: number;
  /** A whole number from 0 to 2^53 - 1, seven bits a byte, the low ones first (LEB128). */
  unsigned(value: number): void;
  /** Zigzag: 0, -1, 1, -2, … become 0, 1, 2, 3, … */
  signed(value: number): void;
  /** A number that may be unknown: one more than its value, or 0. */
  optional(value: number | null): void;
  /** `digits` hexadecimal digits; any other text becomes zeros. */
  hex(text: string, digits: number): void;
  bytes(): Uint8Array;
}

export function byteColumn(): ByteColumn {
  let data = new Uint8Array(256);
  let length = 0;

  const push = (byte: number): void => {
    if (length === data.length) {
      const larger = new Uint8Array(data.length * 2);
      larger.set(data);
      data = larger;
    }
    data[length++] = byte;
  };

  const unsigned = (value: number): void => {
    let rest = value;
    while (rest >= 0x80) {
      push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    push(rest);
  };

  return {
    get length() {
      return length;
    },
    unsigned,
    signed: (value) => unsigned(value < 0 ? -2 * value - 1 : 2 * value),
    optional: (value) => unsigned(value === null ? 0 : value + 1),
    hex(text, digits) {
      const valid = text.length === digits && /^[0-9a-f]*$/.test(text);
      for (let at = 0; at < digits; at += 2) push(valid ? Number.parseInt(text.slice(at, at + 2), 16) : 0);
    },
    bytes: () => data.subarray(0, length),
  };
}

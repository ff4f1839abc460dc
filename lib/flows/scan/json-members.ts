export interface Member {
  readonly key: string;
  /** `word`: true, false or null. */
  readonly is: 'string' | 'number' | 'nested' | 'word';
  /** Of the value; a string's with its quotation marks. */
  readonly start: number;
  readonly end: number;
}

/** The members of an object, of whose text is known that it is JSON. */
export function* membersOf(text: string): Generator<Member> {
  let at = skipSpace(text, text.indexOf('{') + 1);
  while (text[at] === '"') {
    const keyEnd = stringEnd(text, at);
    const key = text.slice(at + 1, keyEnd - 1);
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const first = text[start] as string;
    let is: Member['is'] = 'string';
    if (first === '"') at = stringEnd(text, start);
    else if (first === '{' || first === '[') {
      is = 'nested';
      at = nestedEnd(text, start);
    } else {
      is = /[a-z]/.test(first) ? 'word' : 'number';
      SCALAR.lastIndex = start;
      SCALAR.test(text);
      at = SCALAR.lastIndex;
    }
    yield { key, is, start, end: at };
    at = skipSpace(text, at);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
}

const SCALAR = /[^\s,}]+/y;

function skipSpace(text: string, at: number): number {
  let p = at;
  while (p < text.length && text.charCodeAt(p) <= 0x20) p += 1;
  return p;
}

function stringEnd(text: string, at: number): number {
  let p = at + 1;
  while (text[p] !== '"') p += text[p] === '\\' ? 2 : 1;
  return p + 1;
}

function nestedEnd(text: string, at: number): number {
  let depth = 0;
  let p = at;
  do {
    const character = text[p];
    if (character === '"') {
      p = stringEnd(text, p);
      continue;
    }
    if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    p += 1;
  } while (depth > 0);
  return p;
}

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
  let at = endOf(SPACE, text, text.indexOf('{') + 1);
  while (text[at] === '"') {
    const keyEnd = endOf(STRING, text, at);
    const key = text.slice(at + 1, keyEnd - 1);
    const start = endOf(COLON, text, keyEnd);
    const is = kindOf(text[start] as string);
    const end =
      is === 'string'
        ? endOf(STRING, text, start)
        : is === 'nested'
          ? nestedEnd(text, start)
          : endOf(SCALAR, text, start);
    yield { key, is, start, end };
    at = endOf(COMMA, text, end);
  }
}

const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y;
const SCALAR = /[^\s,}]+/y;
const SPACE = /\s*/y;
const COLON = /\s*:\s*/y;
const COMMA = /\s*,?\s*/y;
const STRING_OR_BRACKET = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]]/g;

/** Where the match ends that begins at `at`. */
function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  pattern.test(text);
  return pattern.lastIndex;
}

function kindOf(first: string): Member['is'] {
  if (first === '"') return 'string';
  if (first === '{' || first === '[') return 'nested';
  return first >= 'a' && first <= 'z' ? 'word' : 'number';
}

function nestedEnd(text: string, at: number): number {
  let depth = 0;
  STRING_OR_BRACKET.lastIndex = at;
  do {
    const [found] = STRING_OR_BRACKET.exec(text) as unknown as [string];
    if (found === '{' || found === '[') depth += 1;
    else if (found === '}' || found === ']') depth -= 1;
  } while (depth > 0);
  return STRING_OR_BRACKET.lastIndex;
}

import type { Style } from '../lib/flows/text/style';
import { type Output, standardOutput } from './output';

/** A pipe gets 80 columns without colour, in Unicode where the locale's character set is UTF-8. */
export function terminalStyle(output: Output): Style {
  const { COLUMNS, NO_COLOR, TERM, LC_ALL, LC_CTYPE, LANG } = process.env;
  const columns = process.stdout.columns ?? Number(COLUMNS);
  return {
    width: columns >= 40 ? Math.min(columns, 240) : 80,
    colour: output === standardOutput && process.stdout.isTTY === true && !NO_COLOR && TERM !== 'dumb',
    unicode: /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || ''),
  };
}

/** What comes out of a log must not steer a terminal. */
export function harmless(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, '?');
}

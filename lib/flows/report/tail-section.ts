import type { TailExplanation, TailMark, TailPlace } from '../analysis/explain-tail';
import { escapeXml } from '../formats/escape-xml';
import { msText } from '../formats/service-map';
import { whole } from './charts';

const MOST_ROWS = 10;
const PLACES = { self: 'in', between: 'between', unanswered: 'unanswered' } as const;

/** What the slowest flows have in common. */
export function slowest({ thresholdMs, tail, rest, extraMs, places, marks }: TailExplanation): string {
  const hint = `${whole(tail)} flows took ${msText(thresholdMs)} and more, ${msText(extraMs)} longer than the other ${whole(rest)} on average. What goes together need not cause each other.`;
  const where = table(
    'Where the extra time was spent',
    ['Share', 'Slowest', 'Others'],
    places.slice(0, MOST_ROWS).map(placeRow),
  );
  const met = table(
    'What they met more often',
    ['Times as often', `Of ${whole(tail)} slowest`, `Of ${whole(rest)} others`],
    marks.slice(0, MOST_ROWS).map(markRow),
  );
  return `<section aria-labelledby="tail"><h2 id="tail">The slowest flows</h2><p class="hint">${escapeXml(hint)}</p>${where}${met}</section>\n`;
}

function placeRow({ kind, name, share, tailMs, restMs }: TailPlace): string {
  return row(`${PLACES[kind]} ${name}`, [`${(100 * share).toFixed(0)} %`, msText(tailMs), msText(restMs)]);
}

function markRow({ kind, name, lift, tail, rest }: TailMark): string {
  return row(`${kind} ${name}`, [`${lift.toFixed(1)} ×`, whole(tail), whole(rest)]);
}

function row(name: string, cells: readonly string[]): string {
  const numbers = cells.map((cell) => `<td>${escapeXml(cell)}</td>`).join('');
  return `<tr><th scope="row">${escapeXml(name.replaceAll(' -> ', ' → '))}</th>${numbers}</tr>`;
}

function table(name: string, heads: readonly string[], rows: readonly string[]): string {
  if (rows.length === 0) return '';
  const head = heads.map((text) => `<th scope="col">${text}</th>`).join('');
  return `<h3>${name}</h3><div class="scroll" tabindex="0" role="region" aria-label="${name}, table"><table><thead><tr><th scope="col" class="text">What</th>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

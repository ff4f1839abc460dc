import type { Irregularity, IrregularSummary } from '../events/irregular-lines';
import { escapeXml } from '../formats/escape-xml';
import { between, type TimedLoss, timeRange } from '../loss/loss-warnings';
import type { RunReport } from '../run-report';
import { whole } from './charts';

/** Stretches of one process that a cell lists; the rest is counted. */
const MOST_LISTED = 8;

/** What is lost of each process and when, hosts without a log, and lines that stand where or as they should not. */
export function completeness({ processes, events, absent, irregular }: RunReport): string {
  const losses = [...processes.map(lossRow), ...absent.map(absentRow)];
  return [
    `<section aria-labelledby="logs"><h2 id="logs">Completeness</h2><p class="hint">${whole(events)} events of ${processes.length} processes. Sequence numbers show what is lost; times are the host’s own.</p>`,
    table('Completeness', ['Instance', 'Process', '#Events', '#Lost', 'When', '#Dropped by itself'], losses),
    irregular.length === 0
      ? ''
      : `<h3>Irregular lines</h3><p class="hint">They change no flow: each event counts once, in the order of its number.</p>${table('Irregular lines', ['What', '#Lines', 'Log', 'Instance', 'When'], irregular.map(irregularRow))}`,
    '</section>\n',
  ].join('');
}

/** Heads of columns of numbers begin with `#`. */
function table(name: string, heads: readonly string[], rows: readonly string[]): string {
  const head = heads
    .map((text) =>
      text.startsWith('#') ? `<th scope="col">${text.slice(1)}</th>` : `<th scope="col" class="text">${text}</th>`,
    )
    .join('');
  return `<div class="scroll" tabindex="0" role="region" aria-label="${name}, table"><table><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function lossRow(loss: TimedLoss): string {
  const { instance, process, events, lost, atLeast, dropped } = loss;
  const lostText = lost > 0 || atLeast ? `${atLeast ? 'at least ' : ''}${whole(lost)}` : '0';
  const failing = lost > 0 || atLeast ? ' class="failing"' : '';
  return `<tr><th scope="row">${escapeXml(instance)}</th><td class="text"><code>${escapeXml(process)}</code></td><td>${whole(events)}</td><td${failing}>${lostText}</td><td class="text told">${escapeXml(whenText(loss))}</td><td>${whole(dropped)}</td></tr>`;
}

function whenText({ stretches, tail }: TimedLoss): string {
  const listed = stretches.slice(0, MOST_LISTED).map((stretch) => `${whole(stretch.lost)} ${between(stretch)}`);
  const more = stretches.length - listed.length;
  const texts = [
    ...listed,
    ...(more > 0 ? [`and ${whole(more)} more stretches`] : []),
    ...(tail ? [`perhaps more ${between(tail)}, when it ended without a word`] : []),
  ];
  return texts.join('; ') || '–';
}

function absentRow({ instance, calls, from, to }: RunReport['absent'][number]): string {
  const told =
    from === null || to === null ? 'only the topology has it' : `called ${whole(calls)} times, ${timeRange(from, to)}`;
  return `<tr><th scope="row">${escapeXml(instance)}</th><td class="text">–</td><td>0</td><td class="failing">no log</td><td class="text told">${escapeXml(told)}</td><td>–</td></tr>`;
}

const KINDS: Readonly<Record<Irregularity, string>> = {
  repeated: 'duplicate events',
  copied: 'events that another log has too',
  'out-of-order': 'lines out of order',
  foreign: 'lines that are no events',
  'half-written': 'half-written lines',
  'unknown-kind': 'events of unknown kinds',
};

function irregularRow({ kind, stream, instance, lines, from, to, copyOf, whole: isCopy }: IrregularSummary): string {
  const what = isCopy ? `a copy of ${copyOf?.join(', ')}` : KINDS[kind];
  const when = from === null || to === null ? '–' : timeRange(from, to);
  const cells = [stream, instance ?? '–', when].map((cell) => `<td class="text">${escapeXml(cell)}</td>`).join('');
  return `<tr><th scope="row">${escapeXml(what)}</th><td>${whole(lines)}</td>${cells}</tr>`;
}

import type { ClocksSummary } from '../clocks/clock-summary';
import { escapeXml } from '../formats/escape-xml';
import { secondsText, whole } from './charts';

/** Of the orderings between hosts in all flows (`Flow.orderings`), by their proof. */
export interface OrderCounts {
  readonly causal: number;
  readonly apart: number;
  readonly open: number;
}

/** What is known of each host's clock, and how much of the flows' order that proves. */
export function clocksSection({ axis, messages, hosts, contradictory }: ClocksSummary, orders: OrderCounts): string {
  const open = '<section aria-labelledby="clocks"><h2 id="clocks">Clocks</h2>';
  if (hosts.length === 0) return `${open}<p class="hint">No host's clock is known in this run.</p></section>\n`;
  const sources = { chrony: 'chrony', machine: "one machine's clock", unknown: 'nobody vouches' } as const;
  const signed = (value: number | null, unit: string): string => (value === null ? 'unknown' : `${value} ${unit}`);
  const body = hosts.map((host) => {
    const { instances, source, isAxis, offsetMs, boundMs, worstBoundMs, driftPpm, correctionMs, service } = host;
    const bound =
      boundMs === null ? 'unknown' : `± ${boundMs} ms${worstBoundMs !== boundMs ? `, at worst ${worstBoundMs}` : ''}`;
    const steps = host.steps.map(({ at, byMs }) => `${byMs} ms at ${at.slice(11, 23)}`);
    const said = [
      service ? `stratum ${service.stratum ?? 'unknown'}` : '',
      service && service.unsynchronised > 0 ? `not synchronised for ${secondsText(service.unsynchronisedMs)}` : '',
      host.discarded.length > 0 ? `bound proved wrong ${host.discarded.length} times` : '',
    ].filter((text) => text !== '');
    const cells = [
      isAxis ? 'the reference' : signed(offsetMs, 'ms'),
      isAxis ? '–' : bound,
      isAxis || driftPpm === null ? '–' : `${driftPpm} ppm`,
      correctionMs === 0 ? 'not moved' : `${correctionMs} ms`,
    ].map((cell) => `<td>${escapeXml(cell)}</td>`);
    const texts = [steps.join(', ') || 'none', said.join(', ') || '–'].map(
      (text) => `<td class="text told">${escapeXml(text)}</td>`,
    );
    const names = instances.length > 4 ? `${instances.length} instances` : instances.join(', ');
    const small = names === host.host ? '' : `<small>${escapeXml(names)}</small>`;
    const from = `<td class="text">${sources[source] ?? 'unknown'}</td>`;
    return `<tr><th scope="row">${escapeXml(host.host)}${small}</th>${from}${cells.join('')}${texts.join('')}</tr>`;
  });
  const heads = [
    ...['Host', 'Source'].map((name) => `<th scope="col" class="text">${name}</th>`),
    ...['Offset', 'Error bound', 'Drift', 'Times moved by'].map((name) => `<th scope="col">${name}</th>`),
    ...['Steps', 'Time service'].map((name) => `<th scope="col" class="text">${name}</th>`),
  ];
  const conflicts = contradictory.map(({ at, hosts: among }) => `${at.slice(11, 23)}: ${among.join(', ')}`);
  const told =
    conflicts.length > 0
      ? `<p class="failing">Messages contradict each other, and told nothing, around ${escapeXml(conflicts.join('; '))}</p>`
      : '';
  const against = axis === 'utc' ? 'true time, as time services vouch for it' : `the clock of ${axis}`;
  return `${open}<p class="hint">Against ${escapeXml(against)}; estimated from ${whole(messages)} messages between hosts. Nothing is moved further than the bounds justify.${ordersText(orders)}</p>${told}<div class="scroll" tabindex="0" role="region" aria-label="Clocks, table"><table><thead><tr>${heads.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div></section>\n`;
}

function ordersText({ causal, apart, open }: OrderCounts): string {
  const all = causal + apart + open;
  if (all === 0) return '';
  const share = (count: number): string => {
    const percent = (100 * count) / all;
    return `${whole(count)} (${percent > 0 && percent < 1 ? percent.toPrecision(1) : percent.toFixed(0)} %)`;
  };
  return ` Of ${whole(all)} orders between hosts that the flows show, messages prove ${share(causal)}, clocks further apart than their errors ${share(apart)}; ${share(open)} are within clock error, and marked there.`;
}

import { cutMiddle } from './cut-middle';
import { decisionCounts } from './decision-text';
import { NOTABLE } from './dot';
import { escapeXml } from './escape-xml';
import { layoutMap, type PlacedEdge, type PlacedNode, type Point } from './map-layout';
import { errorText, msText, rateText, type ServiceMap } from './service-map';

/**
 * The service map as SVG 1.1 (https://www.w3.org/TR/SVG11/), light or dark as its viewer prefers. An edge is the wider the
 * more calls go along it, dashed where all are `send`s; what fails more than 1 % is red and says so.
 */
export function svg(map: ServiceMap, name: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${mapSvg(map, name, `<style>${STYLE}</style>`)}\n`;
}

/** The same to stand inside a page that brings its own style. */
export function mapSvg(map: ServiceMap, name: string, style = ''): string {
  const { width, height, nodes, edges } = layoutMap(map);
  const [w, h] = [Math.ceil(width), Math.ceil(height)];
  const most = Math.max(1, ...edges.map(({ edge }) => edge.attempts));
  const summary = `${nodes.length} services and ${edges.length} connections between them`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="service-map" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img" aria-label="${escapeXml(`Service map of ${name}: ${summary}`)}">`,
    style,
    `<defs>${arrowHead('map-arrow', 'arrow')}${arrowHead('map-arrow-bad', 'arrow bad')}</defs>`,
    `<rect class="backdrop" width="${w}" height="${h}"/>`,
    ...edges.map((edge) => line(edge, most)),
    ...nodes.map((node) => box(node, map)),
    ...edges.map((edge) => label(edge, map.seconds)),
    '</svg>',
  ].join('\n');
}

function arrowHead(id: string, className: string): string {
  return `<marker id="${id}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="${className}" d="M0 .8 7.5 4 0 7.2z"/></marker>`;
}

function line({ edge, points }: PlacedEdge, most: number): string {
  const { from, to, attempts, errors, retries, sends, decisions, duration } = edge;
  const bad = errors / attempts > NOTABLE;
  const width = (1.2 + 3 * Math.sqrt(attempts / most)).toFixed(2);
  const told = [
    `${from} to ${to}: ${attempts} attempts`,
    ...(retries > 0 ? [`${retries} retries`] : []),
    ...(errors > 0 ? [`${errors} failed`] : []),
    ...(decisions.size > 0 ? [decisionCounts(decisions)] : []),
    `p50 ${msText(duration.percentile(0.5))}, p99 ${msText(duration.percentile(0.99))}`,
  ].join(', ');
  const className = `edge${bad ? ' bad' : ''}${sends === attempts ? ' send' : ''}`;
  const marker = bad ? 'map-arrow-bad' : 'map-arrow';
  return `<g class="${className}"><title>${escapeXml(told)}</title><path d="${curve(points)}" stroke-width="${width}" marker-end="url(#${marker})"/></g>`;
}

/** Through the layout's points, level at each of them. */
function curve(points: readonly Point[]): string {
  const at = (x: number, y: number): string => `${x.toFixed(1)} ${y.toFixed(1)}`;
  const [first, ...rest] = points;
  if (!first) return '';
  let path = `M${at(first.x, first.y)}`;
  let from = first;
  for (const to of rest) {
    const middle = (from.x + to.x) / 2;
    path += `C${at(middle, from.y)} ${at(middle, to.y)} ${at(to.x, to.y)}`;
    from = to;
  }
  return path;
}

function box({ node, x, y, width, height }: PlacedNode, { seconds }: ServiceMap): string {
  const { service, instances, requests, errors, decisions, duration } = node;
  const bad = errors / Math.max(1, requests) > NOTABLE;
  const shown = cutMiddle(service, 28);
  const facts =
    requests === 0 ? 'sends the traffic' : `${rateText(requests, seconds)} · p50 ${msText(duration.percentile(0.5))}`;
  const isDriver = requests === 0 && instances.size === 0;
  const failed = errorText(errors, requests);
  const decided = decisions.size > 0 ? `, ${decisionCounts(decisions)}` : '';
  const rows = failed ? [-10, 6, 20] : [-4, 14];
  return [
    `<g class="node${bad ? ' bad' : ''}${isDriver ? ' driver' : ''}" data-service="${escapeXml(service)}" transform="translate(${x.toFixed(1)} ${y.toFixed(1)})">`,
    `<title>${escapeXml(`${service}: ${requests} requests, ${errors} failed, p99 ${msText(duration.percentile(0.99))}${decided}`)}</title>`,
    `<rect x="${-width / 2}" y="${-height / 2}" width="${width}" height="${height}" rx="8"/>`,
    `<text class="name" y="${rows[0]}">${escapeXml(shown)}${instances.size > 1 ? `<tspan class="count"> ×${instances.size}</tspan>` : ''}</text>`,
    `<text class="fact" y="${rows[1]}">${isDriver ? 'traffic' : escapeXml(facts)}</text>`,
    ...(failed ? [`<text class="fact failing" y="${rows[2]}">${escapeXml(failed)}</text>`] : []),
    '</g>',
  ].join('');
}

function label({ edge, label: { x, y } }: PlacedEdge, seconds: number): string {
  const { attempts, errors, decisions } = edge;
  const failing = errorText(errors, attempts);
  const texts = [rateText(attempts, seconds), failing, decisionCounts(decisions)].filter((text) => text !== '');
  const top = y - (texts.length * LABEL_LINE) / 2;
  const width = 6 + LABEL_CHARACTER * Math.max(...texts.map((text) => text.length));
  const rows = texts.map((text, index) => {
    const className = `label${index > 0 && text === failing ? ' failing' : ''}`;
    return `<text class="${className}" x="${x.toFixed(1)}" y="${(top + 9.5 + index * LABEL_LINE).toFixed(1)}">${escapeXml(text)}</text>`;
  });
  const halo = `<rect class="halo" x="${(x - width / 2).toFixed(1)}" y="${top.toFixed(1)}" width="${width.toFixed(1)}" height="${texts.length * LABEL_LINE}"/>`;
  return halo + rows.join('');
}

const LABEL_LINE = 12;
/** Average advance of the label's 10 px sans-serif. */
const LABEL_CHARACTER = 5.6;

const STYLE = `
svg{--paper:#fff;--box:#f5f7f9;--line:#8592a1;--ink:#17212b;--soft:#51606f;--bad:#b3261e}
@media (prefers-color-scheme:dark){svg{--paper:#12171d;--box:#1c242d;--line:#6f7f90;--ink:#e8edf2;--soft:#a8b4c0;--bad:#ff8a80}}
text{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;text-anchor:middle;fill:var(--ink)}
.backdrop{fill:var(--paper)}
.node rect{fill:var(--box);stroke:var(--line)}.node.bad rect{stroke:var(--bad);stroke-width:2}.node.driver rect{stroke-dasharray:3 3}
.name{font-size:13px;font-weight:600}.count,.fact{font-size:11px;font-weight:400;fill:var(--soft)}
.edge path{fill:none;stroke:var(--line)}.edge.send path{stroke-dasharray:5 4}.edge.bad path{stroke:var(--bad)}
.arrow{fill:var(--line)}.arrow.bad{fill:var(--bad)}
.label{font-size:10px;fill:var(--soft)}.halo{fill:var(--paper);opacity:.85}
.failing,.fact.failing{fill:var(--bad)}`;

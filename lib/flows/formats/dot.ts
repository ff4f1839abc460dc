import { decisionCounts } from './decision-text';
import { errorText, msText, rateText, type ServiceEdge, type ServiceMap, type ServiceNode } from './service-map';

/**
 * The service map for Graphviz (https://graphviz.org/doc/info/lang.html): `dot -Tsvg`. An edge is the wider the more calls
 * go along it, dashed where all are `send`s, red where more than 1 % of them fail.
 */
export function dot({ services, edges, seconds }: ServiceMap, name: string): string {
  const most = Math.max(1, ...Array.from(edges.values(), ({ attempts }) => attempts));
  return [
    `digraph ${quoted(name)} {`,
    '  rankdir=LR;',
    '  node [shape=box, style="rounded,filled", fillcolor="#f4f6f8", color="#8a97a6", fontname="Helvetica", fontsize=11];',
    '  edge [fontname="Helvetica", fontsize=9, color="#5b6b7c"];',
    ...Array.from(services.values(), (node) => `  ${nodeLine(node, seconds)}`),
    ...Array.from(edges.values(), (edge) => `  ${edgeLine(edge, seconds, most)}`),
    '}',
    '',
  ].join('\n');
}

function nodeLine({ service, instances, requests, errors, decisions, duration }: ServiceNode, seconds: number): string {
  const lines = [instances.size > 1 ? `${service} ×${instances.size}` : service];
  if (requests > 0) lines.push(`${rateText(requests, seconds)}, p50 ${msText(duration.percentile(0.5))}`);
  if (errors > 0) lines.push(errorText(errors, requests));
  if (decisions.size > 0) lines.push(decisionCounts(decisions));
  const colour = errors / Math.max(1, requests) > NOTABLE ? ', color="#c0392b", penwidth=2' : '';
  return `${quoted(service)} [label=${quoted(lines.join('\n'))}${colour}];`;
}

function edgeLine(
  { from, to, attempts, errors, sends, decisions, duration }: ServiceEdge,
  seconds: number,
  most: number,
): string {
  const lines = [rateText(attempts, seconds), `p99 ${msText(duration.percentile(0.99))}`];
  if (errors > 0) lines.push(errorText(errors, attempts));
  if (decisions.size > 0) lines.push(decisionCounts(decisions));
  const attributes = [
    `label=${quoted(lines.join('\n'))}`,
    `penwidth=${(1 + 3 * Math.sqrt(attempts / most)).toFixed(2)}`,
    ...(sends === attempts ? ['style=dashed'] : []),
    ...(errors / attempts > NOTABLE ? ['color="#c0392b"', 'fontcolor="#c0392b"'] : []),
  ];
  return `${quoted(from)} -> ${quoted(to)} [${attributes.join(', ')}];`;
}

/** Share of failures from which on they stand out. */
export const NOTABLE = 0.01;

/** A quoted string of the DOT language; a backslash would begin an escape of labels. */
function quoted(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const plain = text.replaceAll(/[\u0000-\u0009\u000b-\u001f\u007f]/g, ' ');
  return `"${plain.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

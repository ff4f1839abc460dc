import type { CalleeDescription, TopologyDescription } from './describe-topology';
import { show } from './shape';

const WIDTH = 100;

/** A description for people: a headline, the edge's endpoints, the services. At most 100 columns where names allow. */
export function topologyText(description: TopologyDescription): string {
  const { topology, seed, services, edges, instances, endpoints } = description;
  const sends = description.sendsPerRequest > 0 ? ` (${number(description.sendsPerRequest)} of them sends)` : '';
  const head = [
    `${topology}: ${count(services.length, 'service')}, ${count(instances, 'instance')}, ${count(endpoints, 'endpoint')}, ` +
      `${count(description.depth, 'hop')} deep`,
    `${number(description.callsPerRequest)} calls per edge request${sends}; seed "${seed}"`,
  ];
  const edgeRows = edges.map(({ service, endpoint, share, callsPerRequest, latency }) => [
    `${service} ${endpoint}`,
    percent(share),
    number(callsPerRequest),
    number(latency.p50Ms),
    number(latency.p99Ms),
    latency.failedShare > 0 ? percent(latency.failedShare) : '-',
  ]);
  const edgeTable = table(['Edge endpoint', 'share', 'calls', 'p50 ms', 'p99 ms', 'timed out'], edgeRows);
  const serviceRows = [...services]
    .sort((a, b) => a.depth - b.depth)
    .map(({ service, role, replicas, depth, requestsPerEdgeRequest, fanOut }) => [
      service,
      role,
      String(replicas),
      String(depth),
      number(requestsPerEdgeRequest),
      number(fanOut),
    ]);
  const callees = [...services].sort((a, b) => a.depth - b.depth).map((service) => service.callees.map(calleeText));
  const serviceTable = table(
    ['Service', 'role', 'instances', 'depth', 'requests', 'fan-out', 'calls'],
    serviceRows,
    callees,
  );
  return [
    ...head,
    '',
    ...edgeTable,
    '',
    ...serviceTable,
    '',
    ...policyTable(description),
    ...faultTable(description),
    'requests: handled for one edge request; fan-out: calls and sends for one request handled.',
    '~ sent one way, ? optional, and how many for one request where that is not 1.',
    `Latencies are an estimate from ${edges[0]?.latency.samples ?? 0} request keys, without network, overhead or queueing.`,
    '',
  ].join('\n');
}

function policyTable({ services }: TopologyDescription): readonly string[] {
  const all = services.flatMap(({ service, policies }) => policies.map((policy) => ({ service, ...policy })));
  if (all.length === 0) return [];
  const rows = all.map(({ service, policy, endpoint, callee }) => [
    service,
    policy,
    callee === null ? (endpoint ?? 'its requests') : `calls to ${callee}`,
  ]);
  const settings = all.map((each) => Object.entries(each.settings).map(([name, value]) => `${name} ${show(value)}`));
  return [...table(['Protected by', 'policy', 'on', 'settings'], rows, settings), ''];
}

function faultTable({ services }: TopologyDescription): readonly string[] {
  const rows = services.flatMap(({ service, faults }) =>
    faults.map(({ id, type, at, probability, endpoint }) => [
      service,
      type,
      at,
      percent(probability),
      endpoint ?? 'every',
      id,
    ]),
  );
  if (rows.length === 0) return [];
  return [...table(['Fault on purpose', 'type', 'at', 'drawn', 'endpoint', 'id'], rows), ''];
}

/** `catalog`, `reviews? 0.8`, `~mail` */
function calleeText({ service, kind, optional, expected }: CalleeDescription): string {
  const amount = Math.abs(expected - 1) < 0.005 ? '' : ` ${number(expected)}`;
  return `${kind === 'send' ? '~' : ''}${service}${optional ? '?' : ''}${amount}`;
}

/** Columns of even width, the first and second to the left, numbers to the right; `last` is wrapped under its column. */
function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  last?: readonly (readonly string[])[],
): readonly string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0))) ?? [];
  const isText = widths.map((_, column) => rows.every((row) => !/^[\d.,]+( %)?$|^-$/.test(row[column] ?? '')));
  const line = (cells: readonly string[]) =>
    widths
      .map((width, column) =>
        isText[column] ? (cells[column] ?? '').padEnd(width) : (cells[column] ?? '').padStart(width),
      )
      .join('  ');
  const lines = [`${line(head)}${last ? `  ${head[widths.length] ?? ''}` : ''}`.trimEnd()];
  const indent = line([]).length + 2;
  for (const [index, row] of rows.entries()) {
    const wrapped = wrap(last?.[index] ?? [], WIDTH - indent);
    lines.push(`${line(row)}  ${wrapped[0] ?? ''}`.trimEnd());
    for (const more of wrapped.slice(1)) lines.push(' '.repeat(indent) + more);
  }
  return lines;
}

function wrap(items: readonly string[], width: number): readonly string[] {
  const lines: string[] = [];
  for (const [index, item] of items.entries()) {
    const text = index < items.length - 1 ? `${item},` : item;
    const current = lines[lines.length - 1];
    if (current !== undefined && current.length + 1 + text.length <= width)
      lines[lines.length - 1] = `${current} ${text}`;
    else lines.push(text);
  }
  return lines;
}

function count(amount: number, thing: string): string {
  return `${amount.toLocaleString('en')} ${thing}${amount === 1 ? '' : 's'}`;
}

/** Three figures, or the whole number where there are more. */
function number(value: number): string {
  if (value === 0) return '0';
  return value >= 100 ? String(Math.round(value)) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

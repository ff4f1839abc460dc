import type { CalleeDescription, TopologyDescription } from './describe-topology';

/**
 * The services as a Mermaid flowchart. Whole arrows are calls, arrows with a ring optional calls, dotted ones sends; a
 * label says how many for one request of the caller where that is not 1. A service names the faults that it raises.
 */
export function topologyMermaid({ topology, services }: TopologyDescription): string {
  const lines = ['---', `title: ${topology}`, '---', 'flowchart LR', '  users([users])'];
  for (const { service, replicas, role, faults } of services) {
    const types = [...new Set(faults.map(({ type }) => type))].join(', ');
    const label = `${service}${replicas > 1 ? ` x${replicas}` : ''}${types && `<br/>faults: ${types}`}`;
    lines.push(`  ${id(service)}["${label}"]:::${role}`);
  }
  for (const { service, role } of services) if (role === 'edge') lines.push(`  users --> ${id(service)}`);
  for (const { service, callees } of services) {
    for (const callee of callees) lines.push(`  ${id(service)} ${arrow(callee)} ${id(callee.service)}`);
  }
  lines.push(
    '  classDef edge fill:#dbeafe,stroke:#1d4ed8,color:#111',
    '  classDef intermediate fill:#f3f4f6,stroke:#4b5563,color:#111',
    '  classDef foundational fill:#dcfce7,stroke:#15803d,color:#111',
    '',
  );
  return lines.join('\n');
}

/** Mermaid keeps words such as `end` and `graph` to itself, so ids get a prefix of their own. */
function id(service: string): string {
  return `s_${service.replaceAll('-', '_')}`;
}

function arrow({ kind, optional, expected }: CalleeDescription): string {
  const shaft = kind === 'send' ? '-.->' : optional ? '--o' : '-->';
  return Math.abs(expected - 1) < 0.005 ? shaft : `${shaft}|"${Number(expected.toPrecision(2))}"|`;
}

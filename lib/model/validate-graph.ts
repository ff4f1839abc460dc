import { nodeName } from './call-graph';
import { type Report, show } from './shape';
import type { Survey } from './survey';
import { type Edge, expectedVisits } from './visits';

/** Calls that one edge request may lead to, on average. */
const MOST_CALLS = 10_000;

/** What follows from the whole call graph: an edge, a way to every service, and an end to every request. */
export function checkGraph(survey: Survey, edges: readonly Edge[], report: Report): void {
  const { services } = survey;
  if (services.size === 0) return;
  if (![...services.values()].some(({ edge }) => edge)) {
    report(
      'services',
      'none of them is at the edge, so no request comes in',
      'add edge: true to the one that users reach',
    );
  } else {
    checkReachable(survey, edges, report);
    checkWeights(survey, report);
  }
  const nodes = [...services].flatMap(([name, { endpoints }]) =>
    [...endpoints.keys()].map((key) => nodeName(name, key)),
  );
  const { endless } = expectedVisits(nodes, edges, new Map(nodes.map((node) => [node, 1])));
  for (const cycle of endless) {
    const problem = `a request comes back to where it was at least once on average, so calls never end: ${cycle.join(' -> ')}`;
    report(
      whereOf(cycle[0] ?? '', survey),
      problem,
      'give a call of the cycle a lower probability or count, or leave one out',
    );
  }
  if (endless.length === 0) checkCalls(survey, nodes, edges, report);
}

function checkReachable({ services }: Survey, edges: readonly Edge[], report: Report): void {
  const serviceOf = (node: string) => node.slice(0, node.indexOf(' '));
  const callees = new Map<string, Set<string>>();
  for (const { from, to } of edges) {
    const known = callees.get(serviceOf(from)) ?? new Set();
    callees.set(serviceOf(from), known.add(serviceOf(to)));
  }
  const reached = new Set([...services].filter(([, { edge }]) => edge).map(([name]) => name));
  for (const name of reached) for (const callee of callees.get(name) ?? []) reached.add(callee);
  for (const [name, { where }] of services) {
    if (!reached.has(name))
      report(where, 'no request from the edge reaches it', 'call it from somewhere, or leave it out');
  }
}

function checkWeights({ services }: Survey, report: Report): void {
  const weights = [...services.values()]
    .filter(({ edge }) => edge)
    .flatMap(({ endpoints }) => [...endpoints.values()].map(({ value }) => value.weight ?? 1));
  if (weights.length > 0 && weights.every((weight) => weight === 0)) {
    report('services', 'the weights of all edge endpoints are 0, so there is no traffic', 'raise one of them');
  }
}

function checkCalls(survey: Survey, nodes: readonly string[], edges: readonly Edge[], report: Report): void {
  for (const [name, { edge, endpoints }] of survey.services) {
    if (!edge) continue;
    for (const [key, { where }] of endpoints) {
      const { expected } = expectedVisits(nodes, edges, new Map([[nodeName(name, key), 1]]));
      const calls = [...expected.values()].reduce((sum, visits) => sum + visits, -1);
      if (calls <= MOST_CALLS) continue;
      const problem = `one request to ${show(key)} leads to ${Math.round(calls)} calls on average, above ${MOST_CALLS}`;
      report(where, problem, 'lower counts or probabilities on the way');
    }
  }
}

function whereOf(node: string, { services }: Survey): string {
  const space = node.indexOf(' ');
  return services.get(node.slice(0, space))?.endpoints.get(node.slice(space + 1))?.where ?? 'services';
}

import { Graph, layout } from '@dagrejs/dagre';
import type { ServiceEdge, ServiceMap, ServiceNode } from './service-map';

export interface PlacedNode {
  readonly node: ServiceNode;
  /** Centre. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface PlacedEdge {
  readonly edge: ServiceEdge;
  readonly points: readonly Point[];
  /** Centre of the label. */
  readonly label: Point;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface MapLayout {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly PlacedEdge[];
}

export const NODE_HEIGHT = 54;
const LABEL = { width: 84, height: 30 };
const MARGIN = 12;
/** Average advance of the node's 13 px sans-serif, by measuring. */
const CHARACTER_WIDTH = 8.2;

interface Route {
  readonly inner: readonly Point[];
  readonly label: Point;
}

/** Edges leave and arrive at a node's side, spread in the order in which they lie, so that they don't cross there. */
function port({ x, y, width, height }: PlacedNode, side: 1 | -1, routes: readonly Route[], route: Route): Point {
  const order = [...routes].sort((a, b) => a.label.y - b.label.y).indexOf(route);
  const step = Math.min(9, (height - 14) / routes.length);
  return { x: x + side * (width / 2 + (side < 0 ? 1 : 0)), y: y + (order - (routes.length - 1) / 2) * step };
}

/** From left to right, callers before callees: layered as Graphviz's `dot` does it (Gansner et al. 1993), by dagre. */
export function layoutMap({ services, edges }: ServiceMap): MapLayout {
  const graph = new Graph({ multigraph: false });
  graph.setGraph({ rankdir: 'LR', nodesep: 22, ranksep: 46, edgesep: 16, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { service, instances } of services.values()) {
    const characters = Math.min(28, service.length + (instances.size > 1 ? 4 : 0));
    graph.setNode(service, { width: Math.max(112, 26 + CHARACTER_WIDTH * characters), height: NODE_HEIGHT });
  }
  // A service that calls itself is drawn by hand: dagre would widen the whole map for it.
  const between = [...edges.values()].filter(({ from, to }) => from !== to);
  for (const { from, to } of between) graph.setEdge(from, to, { ...LABEL, labelpos: 'c' });
  layout(graph);
  const nodes = Array.from(services.values(), (node) => {
    const { x, y, width, height } = graph.node(node.service) as Required<Omit<PlacedNode, 'node'>>;
    return { node, x, y, width, height };
  });
  const byName = new Map(nodes.map((placed) => [placed.node.service, placed]));
  const routes = between.map((edge) => {
    const { points, x, y } = graph.edge(edge.from, edge.to) as { points: Point[]; x: number; y: number };
    return { edge, inner: points.slice(1, -1), label: { x, y } };
  });
  const placed = routes.map((route) => {
    const { edge, inner, label } = route;
    const [from, to] = [byName.get(edge.from) as PlacedNode, byName.get(edge.to) as PlacedNode];
    const ahead = from.x <= to.x;
    const leaving = routes.filter((other) => other.edge.from === edge.from);
    const arriving = routes.filter((other) => other.edge.to === edge.to);
    const start = port(from, ahead ? 1 : -1, leaving, route);
    const end = port(to, ahead ? -1 : 1, arriving, route);
    return { edge, points: [start, ...inner, end], label };
  });
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return {
    width: Number.isFinite(width) ? width : 0,
    height: Number.isFinite(height) ? height : 0,
    nodes,
    edges: placed,
  };
}

import { parseCallee } from '../../model/callee';
import { CLIENT_SERVICE } from '../../model/contract';
import { type Histogram, histogram } from '../analysis/histogram';
import type { Flow } from '../flow';
import { itemFailed, type TraceItem, traceItems } from './trace-item';

export interface ServiceNode {
  readonly service: string;
  readonly instances: Set<string>;
  /** Requests handled, and those among them that failed. */
  requests: number;
  errors: number;
  /** What policies decided about the requests themselves, by kind. */
  readonly decisions: Map<string, number>;
  /** Milliseconds. */
  readonly duration: Histogram;
}

export interface ServiceEdge {
  readonly from: string;
  readonly to: string;
  /** Attempts, and those among them that failed, were retries, were `send`s. */
  attempts: number;
  errors: number;
  retries: number;
  sends: number;
  /** What policies decided about calls, by kind. */
  readonly decisions: Map<string, number>;
  readonly duration: Histogram;
}

/** Which services called which, how often and how well. */
export interface ServiceMap {
  readonly services: ReadonlyMap<string, ServiceNode>;
  readonly edges: ReadonlyMap<string, ServiceEdge>;
  /** From the first flow's start to the last one's end. */
  readonly seconds: number;
}

export interface ServiceMapBuilder extends ServiceMap {
  add(flow: Flow, items?: readonly TraceItem[]): void;
}

export function serviceMap(): ServiceMapBuilder {
  const services = new Map<string, ServiceNode>();
  const edges = new Map<string, ServiceEdge>();
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;

  const node = (service: string): ServiceNode => {
    let found = services.get(service);
    if (!found) {
      found = { service, instances: new Set(), requests: 0, errors: 0, decisions: new Map(), duration: histogram() };
      services.set(service, found);
    }
    return found;
  };

  const edge = (from: string, to: string): ServiceEdge => {
    const key = JSON.stringify([from, to]);
    let found = edges.get(key);
    if (!found) {
      found = { from, to, attempts: 0, errors: 0, retries: 0, sends: 0, decisions: new Map(), duration: histogram() };
      edges.set(key, found);
    }
    return found;
  };

  return {
    services,
    edges,
    get seconds() {
      return last > first ? (last - first) / 1000 : 0;
    },
    add(flow, items = traceItems(flow)) {
      const startAt = Date.parse(flow.startTime);
      first = Math.min(first, startAt);
      last = Math.max(last, startAt + (flow.durationMs ?? 0));
      for (const item of items) {
        const { kind, service, call, callee, span } = item;
        const failed = itemFailed(item);
        const tookMs = item.endKnown ? item.endMs - item.startMs : Number.NaN;
        if (call && callee !== null) {
          node(service);
          node(callee);
          const taken = edge(service, callee);
          taken.attempts += 1;
          if (failed) taken.errors += 1;
          if ((call.attempt ?? 1) > 1 || call.reconnect > 0) taken.retries += 1;
          if (kind === 'producer') taken.sends += 1;
          taken.duration.add(tookMs);
        }
        if (!span || service === CLIENT_SERVICE) continue;
        const at = node(service);
        for (const { event, callee } of span.decisions) {
          const { decisions } = callee === null ? at : edge(service, node(parseCallee(callee).service || '?').service);
          decisions.set(event, (decisions.get(event) ?? 0) + 1);
        }
        if (item.instance !== '?') at.instances.add(item.instance);
        // The 202 that takes a `send` in is no work; its queued span is.
        if (kind === 'server' && span.queued.length > 0) continue;
        at.requests += 1;
        if (failed) at.errors += 1;
        at.duration.add(tookMs);
      }
    },
  };
}

/** Of flows that are gone through once. */
export function mapServices(flows: Iterable<Flow>): ServiceMap {
  const map = serviceMap();
  for (const flow of flows) map.add(flow);
  return map;
}

/** `1,234/s`, or the count where no time passed. */
export function rateText(count: number, seconds: number): string {
  if (seconds <= 0) return `${count}`;
  const rate = count / seconds;
  return `${rate >= 100 ? Math.round(rate).toLocaleString('en') : Number(rate.toPrecision(2))}/s`;
}

/** `2.1 % errors`; empty where there are none. */
export function errorText(errors: number, count: number): string {
  if (errors === 0 || count === 0) return '';
  const percent = (100 * errors) / count;
  return `${percent >= 10 ? Math.round(percent) : Number(percent.toPrecision(2))} % errors`;
}

export function msText(ms: number): string {
  if (Number.isNaN(ms)) return '–';
  if (ms >= 1000) return `${Number((ms / 1000).toPrecision(3))} s`;
  return `${ms >= 100 ? Math.round(ms) : Number(ms.toPrecision(2))} ms`;
}

import type { Flow, Span } from '../lib/flows/flow';

export interface FilterOptions {
  /** Only those that failed: status 500 and above, or none. */
  readonly errors?: boolean;
  /** Only those that the service took part in. */
  readonly service?: string;
}

/** Whether a flow is among those asked for. */
export function flowFilter({ errors, service }: FilterOptions): (flow: Flow) => boolean {
  return (flow) =>
    (!errors || flow.status === null || flow.status >= 500) && (service === undefined || takesPart(flow, service));
}

function takesPart(flow: Flow, service: string): boolean {
  const within = (span: Span): boolean =>
    span.service === service ||
    span.calls.some(({ child }) => child !== null && within(child)) ||
    span.queued.some(within);
  return within(flow.root) || flow.orphans.some(within) || (flow.client !== null && service === 'client');
}

import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Topology } from '../model/topology';

/** Names of the metrics that are made of events, in the topology's namespace. */
export const METRICS = {
  /** Milliseconds from REQUEST_RECEIVED to the answer; its sample count is the traffic. Dimension `Service`. */
  duration: 'Duration',
  /** Answers of 500 and above. Dimension `Service`. */
  failures: 'Failures',
  /** Milliseconds that a host's clock may be wrong by. */
  clockBound: 'ClockBound',
  /** CLOCK events: a host that is silent is missing from their number. */
  clocks: 'Clocks',
  /** Events that nodes had to drop. */
  dropped: 'Dropped',
} as const;

/**
 * Metric filters disable themselves at about 1,000 values of a dimension an hour, and each value is a metric with its own
 * price. Larger topologies get one value for all services.
 */
export const MOST_SERVICES_WITH_METRICS = 200;

export function metricsNamespace(topology: string): string {
  return `Microcosm/${topology}`;
}

type Dimensions = logs.CfnMetricFilter.DimensionProperty[] | undefined;

export interface EventMetricsProps {
  readonly topology: Topology;
  readonly logGroup: string;
}

/**
 * Metrics out of the event log, by metric filters: they read the lines as they are. Embedded metrics would make each line
 * half as long again, at the price of its ingestion and of the node's time, and change the very thing that is measured.
 */
export class EventMetrics extends Construct {
  readonly namespace: string;
  /** Whether metrics have the dimension `Service`. */
  readonly byService: boolean;

  constructor(scope: Construct, id: string, { topology, logGroup }: EventMetricsProps) {
    super(scope, id);
    this.namespace = metricsNamespace(topology.name);
    this.byService = Object.keys(topology.services).length <= MOST_SERVICES_WITH_METRICS;
    const byService = this.byService ? [{ key: 'Service', value: '$.service' }] : undefined;
    const filter = (
      name: string,
      filterPattern: string,
      metricValue: string,
      unit: string,
      dimensions?: Dimensions,
    ): void => {
      new logs.CfnMetricFilter(this, name, {
        logGroupName: logGroup,
        filterPattern,
        metricTransformations: [{ metricNamespace: this.namespace, metricName: name, metricValue, unit, dimensions }],
      });
    };
    filter(
      METRICS.duration,
      '{ $.event = "RESPONSE_SENT" && $.durationMs = * }',
      '$.durationMs',
      'Milliseconds',
      byService,
    );
    filter(METRICS.failures, '{ $.event = "RESPONSE_SENT" && $.status >= 500 }', '1', 'Count', byService);
    filter(METRICS.clockBound, '{ $.event = "CLOCK" && $.clock.boundMs >= 0 }', '$.clock.boundMs', 'Milliseconds');
    filter(METRICS.clocks, '{ $.event = "CLOCK" }', '1', 'Count');
    filter(METRICS.dropped, '{ $.event = "LOG_DROPPED" }', '$.dropped', 'Count');
  }
}

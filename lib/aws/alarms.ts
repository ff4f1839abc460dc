import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { CLOCK_PERIOD_MS } from '../model/contract';
import type { Topology } from '../model/topology';
import type { Edge, EdgeTarget } from './edge';
import { METRICS } from './event-metrics';

export const THRESHOLDS = {
  /** Share of an edge's answers that may be 5xx, in percent. */
  edgeErrorPercent: 5,
  /** Share of an edge service's longest deadline that its p99 may take. */
  p99OfDeadline: 0.5,
  /** Amazon Time Sync reports about half a millisecond over NTP. */
  clockBoundMs: 10,
} as const;

export interface AlarmsProps {
  readonly topology: Topology;
  readonly edge: Edge;
  readonly namespace: string;
  readonly notify: readonly string[];
}

/** Alarms on the whole topology and on each edge service; those on single hosts stand with the hosts. */
export class Alarms extends Construct {
  private readonly props: AlarmsProps;

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    this.props = props;
    for (const target of props.edge.targets) this.watchEdge(target);
    this.watchClocks();
  }

  private watchEdge({ service, metricName: targetGroup }: EdgeTarget): void {
    const dimensions = [
      { name: 'LoadBalancer', value: this.props.edge.metricName },
      { name: 'TargetGroup', value: targetGroup },
    ];
    const metric = (id: string, metricName: string, stat: string): cloudwatch.CfnAlarm.MetricDataQueryProperty => ({
      id,
      metricStat: { metric: { namespace: 'AWS/ApplicationELB', metricName, dimensions }, period: 60, stat },
      returnData: false,
    });
    this.alarm(`${service.name} errors`, {
      alarmDescription: `More than ${THRESHOLDS.edgeErrorPercent} % of the answers of ${service.name} are 5xx.`,
      metrics: [
        metric('errors', 'HTTPCode_Target_5XX_Count', 'Sum'),
        metric('requests', 'RequestCount', 'Sum'),
        { id: 'percent', expression: '100 * FILL(errors, 0) / requests', label: 'errors in percent', returnData: true },
      ],
      evaluationPeriods: 3,
      threshold: THRESHOLDS.edgeErrorPercent,
    });
    const deadlineMs = Math.max(...Object.values(service.endpoints).map((endpoint) => endpoint.deadlineMs));
    this.alarm(`${service.name} p99`, {
      alarmDescription: `The p99 of ${service.name} is above half of its longest deadline (${deadlineMs} ms).`,
      namespace: 'AWS/ApplicationELB',
      metricName: 'TargetResponseTime',
      dimensions,
      extendedStatistic: 'p99',
      period: 60,
      evaluationPeriods: 3,
      threshold: (deadlineMs * THRESHOLDS.p99OfDeadline) / 1_000,
    });
    this.alarm(`${service.name} unhealthy`, {
      alarmDescription: `A host of ${service.name} fails the balancer's check.`,
      namespace: 'AWS/ApplicationELB',
      metricName: 'UnHealthyHostCount',
      dimensions,
      statistic: 'Maximum',
      period: 60,
      evaluationPeriods: 3,
      threshold: 0,
    });
  }

  private watchClocks(): void {
    const { namespace, topology } = this.props;
    this.alarm('clock', {
      alarmDescription: `A host's clock may be wrong by more than ${THRESHOLDS.clockBoundMs} ms: less of the order is provable.`,
      namespace,
      metricName: METRICS.clockBound,
      statistic: 'Maximum',
      period: 60,
      evaluationPeriods: 3,
      threshold: THRESHOLDS.clockBoundMs,
    });
    this.alarm('dropped', {
      alarmDescription: 'A node had to drop events: runs of this time are incomplete.',
      namespace,
      metricName: METRICS.dropped,
      statistic: 'Sum',
      period: 60,
      evaluationPeriods: 1,
      threshold: 0,
    });
    const period = 300;
    const instances = Object.values(topology.services).reduce((sum, { replicas }) => sum + replicas, 0);
    const perHost = (period * 1_000) / CLOCK_PERIOD_MS;
    this.alarm('silent', {
      alarmDescription: `At least one of the ${instances} hosts logs nothing, though each says its time every ${CLOCK_PERIOD_MS / 1_000} s.`,
      namespace,
      metricName: METRICS.clocks,
      statistic: 'Sum',
      period,
      evaluationPeriods: 2,
      comparisonOperator: 'LessThanThreshold',
      // Half a host's share is room for events that fall into the next period.
      threshold: perHost * instances - perHost / 2,
      treatMissingData: 'breaching',
    });
  }

  private alarm(what: string, props: Partial<cloudwatch.CfnAlarmProps> & { readonly evaluationPeriods: number }): void {
    new cloudwatch.CfnAlarm(this, what, {
      alarmName: `${this.props.topology.name} ${what}`,
      comparisonOperator: 'GreaterThanThreshold',
      treatMissingData: 'notBreaching',
      alarmActions: [...this.props.notify],
      ...props,
    });
  }
}

import { Aws, type Stack } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import type { Edge } from './edge';
import { METRICS } from './event-metrics';

export interface DashboardProps {
  readonly stack: Stack;
  readonly topology: string;
  readonly namespace: string;
  readonly byService: boolean;
  readonly edge: Edge;
}

/**
 * One page for a topology of any size: searches name no service, so they show those that are there.
 */
export class Dashboard extends Construct {
  readonly url: string;

  constructor(scope: Construct, id: string, { stack, topology, namespace, byService, edge }: DashboardProps) {
    super(scope, id);
    const schema = byService ? `{${namespace},Service}` : `{${namespace}}`;
    const events = (metric: string, stat: string): object => ({
      expression: `SEARCH('${schema} MetricName="${metric}"', '${stat}', 60)`,
      label: '',
    });
    const hosts = (schemaOf: string, metric: string): object => ({
      expression: `SEARCH('{${namespace},${schemaOf}} MetricName="${metric}"', 'Average', 60)`,
      label: '',
    });
    const plain = (metric: string, stat: string): object[] => [[namespace, metric, { stat, period: 60 }] as never];
    const balancer = (metric: string, stat: string): object[] =>
      edge.targets.map(({ service, metricName }) => [
        'AWS/ApplicationELB',
        metric,
        'LoadBalancer',
        edge.metricName,
        'TargetGroup',
        metricName,
        { stat, period: 60, label: `${service.name} ${stat}` },
      ]) as never;
    const rows: readonly (readonly Graph[])[] = [
      [
        { title: 'Edge: requests a minute', metrics: balancer('RequestCount', 'Sum') },
        { title: 'Edge: 5xx a minute', metrics: balancer('HTTPCode_Target_5XX_Count', 'Sum') },
        {
          title: 'Edge: latency, s',
          metrics: ['p50', 'p90', 'p99'].flatMap((stat) => balancer('TargetResponseTime', stat)),
        },
      ],
      [
        { title: 'Services: requests a minute', metrics: [[events(METRICS.duration, 'SampleCount')]] },
        { title: 'Services: 5xx a minute', metrics: [[events(METRICS.failures, 'Sum')]] },
        { title: 'Edge: hosts that fail the check', metrics: balancer('UnHealthyHostCount', 'Maximum') },
      ],
      ['p50', 'p90', 'p99'].map((stat) => ({
        title: `Services: ${stat}, ms`,
        metrics: [[events(METRICS.duration, stat)]],
      })),
      [
        { title: 'Clock error bound, ms', metrics: plain(METRICS.clockBound, 'Maximum') },
        { title: 'Hosts: CPU, %', metrics: [[hosts('Instance,cpu', 'cpu_usage_active')]] },
        { title: 'Hosts: memory, %', metrics: [[hosts('Instance', 'mem_used_percent')]] },
      ],
      [
        { title: 'CLOCK events in 5 minutes', metrics: plain(METRICS.clocks, 'Sum') },
        { title: 'Events dropped', metrics: plain(METRICS.dropped, 'Sum') },
      ],
    ];
    const widgets = rows.flatMap((row, y) =>
      row.map(({ title, metrics }, x) => ({
        type: 'metric',
        x: x * 8,
        y: y * 6,
        width: 8,
        height: 6,
        properties: { title, metrics, region: Aws.REGION, view: 'timeSeries', period: 60 },
      })),
    );
    const dashboard = new cloudwatch.CfnDashboard(this, 'Dashboard', {
      dashboardName: `Microcosm-${topology}`,
      dashboardBody: stack.toJsonString({ widgets }),
    });
    this.url = `https://${Aws.REGION}.console.aws.amazon.com/cloudwatch/home?region=${Aws.REGION}#dashboards:name=${dashboard.ref}`;
  }
}

interface Graph {
  readonly title: string;
  readonly metrics: readonly object[];
}

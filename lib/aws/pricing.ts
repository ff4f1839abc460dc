import type { InstanceType } from './instance-types';

/**
 * List prices in US dollars. Only what the stack uses, for an estimate before the first deployment; the bill is the truth.
 */
export const PRICES = {
  date: '2025, not checked since',
  source: "list prices of AWS's price pages for us-east-1, on demand, Linux, without tax, discount or free tier",
  /** Application Load Balancer, an hour; capacity units come on top. */
  loadBalancerHour: 0.0225,
  /** One capacity unit-hour: 25 new connections/s, 3,000 open, 1 GB/h, or 1,000 rules/s, whichever is largest. */
  loadBalancerUnitHour: 0.008,
  /** Public IPv4 address, an hour; the balancer has one an availability zone. */
  publicAddressHour: 0.005,
  /** Interface endpoint in one availability zone, an hour. */
  interfaceEndpointHour: 0.01,
  /** gp3 volume, a GiB-month. */
  volumeGibMonth: 0.08,
  /** Private hosted zone, a month. */
  hostedZoneMonth: 0.5,
  /** Standard-resolution alarm metric, a month. */
  alarmMonth: 0.1,
  /** Custom metric, a month (the first 10,000). */
  metricMonth: 0.3,
  /** Dashboard beyond the account's first three, a month. */
  dashboardMonth: 3,
  /** Secret, a month; reading it costs 0.05 $ for 10,000 times. */
  secretMonth: 0.4,
  /** Log ingestion, a GB. */
  logGb: 0.5,
  hoursPerMonth: 730,
} as const;

/** Types that the plan can price; any other type deploys, but the plan says that it has no price for it. */
export const INSTANCE_TYPES: Readonly<Record<string, InstanceType>> = {
  't4g.nano': { vcpus: 2, memoryGib: 0.5, hourlyUsd: 0.0042 },
  't4g.micro': { vcpus: 2, memoryGib: 1, hourlyUsd: 0.0084 },
  't4g.small': { vcpus: 2, memoryGib: 2, hourlyUsd: 0.0168 },
  't4g.medium': { vcpus: 2, memoryGib: 4, hourlyUsd: 0.0336 },
  't4g.large': { vcpus: 2, memoryGib: 8, hourlyUsd: 0.0672 },
  't3.micro': { vcpus: 2, memoryGib: 1, hourlyUsd: 0.0104 },
  't3.small': { vcpus: 2, memoryGib: 2, hourlyUsd: 0.0208 },
  't3.medium': { vcpus: 2, memoryGib: 4, hourlyUsd: 0.0416 },
  'c6g.medium': { vcpus: 1, memoryGib: 2, hourlyUsd: 0.034 },
  'c6g.large': { vcpus: 2, memoryGib: 4, hourlyUsd: 0.068 },
  'c7g.medium': { vcpus: 1, memoryGib: 2, hourlyUsd: 0.0363 },
  'c7g.large': { vcpus: 2, memoryGib: 4, hourlyUsd: 0.0725 },
  'c7g.xlarge': { vcpus: 4, memoryGib: 8, hourlyUsd: 0.145 },
  'm6g.medium': { vcpus: 1, memoryGib: 4, hourlyUsd: 0.0385 },
  'm6g.large': { vcpus: 2, memoryGib: 8, hourlyUsd: 0.077 },
  'm7g.medium': { vcpus: 1, memoryGib: 4, hourlyUsd: 0.0408 },
  'm7g.large': { vcpus: 2, memoryGib: 8, hourlyUsd: 0.0816 },
  'c6i.large': { vcpus: 2, memoryGib: 4, hourlyUsd: 0.085 },
  'm6i.large': { vcpus: 2, memoryGib: 8, hourlyUsd: 0.096 },
};

/**
 * Where the prices were read, in November 2026. None of it is AWS itself, whose price list was out of reach: copies and
 * quotations of it, each compared with what stood here before.
 */
export const SOURCES = {
  list: "AWS's price list as copied by public projects on 2026-09-16 and 2026-10-08",
  page: "AWS's price pages of 2026-09-20 as quoted in the catalogue github.com/api-evangelist",
  guide: 'guides of 2026 that quote AWS (signoz.io, factualminds.com, and public cost models)',
  docs: "copies of AWS's user guides, read in November 2026",
  undated: 'public tables that agree with each other and bear no date',
} as const;

export type Source = keyof typeof SOURCES;

export interface Price {
  readonly usd: number;
  readonly source: Source;
}

const price = (usd: number, source: Source): Price => ({ usd, source });

/** List prices in US dollars. Only what the stack uses, for an estimate before the first deployment; the bill is the truth. */
export const PRICES = {
  /** Application Load Balancer, an hour; capacity units come on top. */
  loadBalancerHour: price(0.0225, 'page'),
  /** One capacity unit-hour: 25 new connections/s, 3,000 open, 1 GB/h, or 1,000 rules/s, whichever is largest. */
  loadBalancerUnitHour: price(0.008, 'page'),
  /** Public IPv4 address, an hour; the balancer has one an availability zone. */
  publicAddressHour: price(0.005, 'list'),
  /** Interface endpoint in one availability zone, an hour. */
  interfaceEndpointHour: price(0.01, 'guide'),
  /** What passes an interface endpoint, a GB. */
  interfaceEndpointGb: price(0.01, 'guide'),
  /** gp3 volume, a GiB-month. */
  volumeGibMonth: price(0.08, 'list'),
  /** Private hosted zone, a month. */
  hostedZoneMonth: price(0.5, 'page'),
  /** Instance registered with Cloud Map, a month. */
  registrationMonth: price(0.1, 'undated'),
  /** Standard-resolution alarm metric, a month. */
  alarmMonth: price(0.1, 'guide'),
  /** Custom metric, a month (the first 10,000). */
  metricMonth: price(0.3, 'guide'),
  /** Dashboard beyond the account's first three, a month. */
  dashboardMonth: price(3, 'guide'),
  /** Secret, a month; reading it costs 0.05 $ for 10,000 times. */
  secretMonth: price(0.4, 'page'),
  /** Standard parameter of Systems Manager, and what it takes to read it: no charge. */
  parameterMonth: price(0, 'docs'),
  /** Log ingestion, a GB. */
  logGb: price(0.5, 'guide'),
} as const satisfies Readonly<Record<string, Price>>;

export const PRICE_BASIS = 'us-east-1, on demand, Linux, without tax, discount or free tier';
export const HOURS_PER_MONTH = 730;

/** What the plan needs to know of an instance type. */
export interface InstanceType {
  readonly vcpus: number;
  readonly memoryGib: number;
  /** On demand, Linux, us-east-1 list price, an hour. */
  readonly hourly: Price;
}

const type = (vcpus: number, memoryGib: number, hourlyUsd: number, source: Source): InstanceType => {
  return { vcpus, memoryGib, hourly: price(hourlyUsd, source) };
};

/** Types that the plan can price; any other type deploys, but the plan says that it has no price for it. */
export const INSTANCE_TYPES: Readonly<Record<string, InstanceType>> = {
  't4g.nano': type(2, 0.5, 0.0042, 'undated'),
  't4g.micro': type(2, 1, 0.0084, 'list'),
  't4g.small': type(2, 2, 0.0168, 'list'),
  't4g.medium': type(2, 4, 0.0336, 'list'),
  't4g.large': type(2, 8, 0.0672, 'list'),
  't3.micro': type(2, 1, 0.0104, 'list'),
  't3.small': type(2, 2, 0.0208, 'undated'),
  't3.medium': type(2, 4, 0.0416, 'undated'),
  'c6g.medium': type(1, 2, 0.034, 'undated'),
  'c6g.large': type(2, 4, 0.068, 'undated'),
  'c7g.medium': type(1, 2, 0.0363, 'list'),
  'c7g.large': type(2, 4, 0.0725, 'list'),
  'c7g.xlarge': type(4, 8, 0.145, 'list'),
  'm6g.medium': type(1, 4, 0.0385, 'undated'),
  'm6g.large': type(2, 8, 0.077, 'undated'),
  'm7g.medium': type(1, 4, 0.0408, 'list'),
  'm7g.large': type(2, 8, 0.0816, 'list'),
  'c6i.large': type(2, 4, 0.085, 'list'),
  'm6i.large': type(2, 8, 0.096, 'undated'),
};

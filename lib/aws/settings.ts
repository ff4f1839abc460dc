import { type Fault, UserError } from '../model/user-error';

/** What `-c name=value` on the command line may set, checked. */
export interface Settings {
  /** Name or path of the topology. */
  readonly topology: string;
  /** Name of the deployment instead of the topology's own: two deployments of one topology side by side. */
  readonly as: string | null;
  readonly image: ImageChoice;
  /** ARN of a certificate in the same Region: HTTPS, with HTTP redirected. */
  readonly certificate: string | null;
  /** IPv4 ranges that the balancer admits. Empty admits nobody: an open edge costs what anybody sends to it. */
  readonly clients: readonly string[];
  /** Where alarms are mailed. */
  readonly email: string | null;
  readonly retentionDays: number;
  /** Whether faults can be raised while the topology runs. */
  readonly faults: boolean;
  /** Whether the edge lets itineraries and overlays in, with a token as everywhere. */
  readonly publicFaults: boolean;
  /** ARN of the role or user that alone, beside the hosts, may read the key of live faults. */
  readonly operator: string | null;
}

export type ImageChoice =
  | { readonly kind: 'table' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'id'; readonly id: string };

export const DEFAULT_RETENTION_DAYS = 30;

/** Numbers of days that CloudWatch Logs takes. */
export const RETENTION_DAYS: readonly number[] = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

const NAME = /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/;
const OPERATOR = /^arn:aws[a-z-]*:iam::\d{12}:(role|user)\/[\w+=,.@/-]+$/;
const CERTIFICATE = /^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate\/[A-Za-z0-9-]+$/;

/**
 * Reads the settings from the app's context. Throws a `UserError` with every fault at once.
 *
 * @param context value of a context key, undefined where it is not given
 */
export function readSettings(context: (key: string) => unknown): Settings {
  const faults: Fault[] = [];
  const text = (key: string): string | null => {
    const value = context(key);
    if (value === undefined || value === null || value === '') return null;
    return String(value);
  };
  const check = (
    key: string,
    value: string | null,
    valid: (value: string) => boolean,
    remedy: string,
  ): string | null => {
    if (value === null || valid(value)) return value;
    faults.push({ where: `-c ${key}`, problem: `${JSON.stringify(value)} won't do`, remedy });
    return null;
  };

  const topology = text('topology');
  if (topology === null) {
    faults.push({ where: '-c topology', problem: 'is missing', remedy: 'give a name or a path: -c topology=shop' });
  }
  const as = check(
    'as',
    text('as'),
    (value) => NAME.test(value),
    'use a lower-case DNS label of at most 32 characters',
  );
  const image = text('image');
  check(
    'image',
    image,
    (value) => value === 'latest' || /^ami-[0-9a-f]{8,17}$/.test(value),
    'give an Amazon Linux 2023 image of the Region, ami-…, or latest',
  );
  const certificate = check(
    'certificate',
    text('certificate'),
    (value) => CERTIFICATE.test(value),
    'give the ARN of an ACM certificate: arn:aws:acm:<region>:<account>:certificate/<id>',
  );
  const clients = (text('clients') ?? '').split(',').map((range) => range.trim());
  for (const range of clients) {
    check('clients', range || null, isIpv4Range, 'give IPv4 ranges, comma-separated: 203.0.113.7/32,198.51.100.0/24');
  }
  const email = check('email', text('email'), (value) => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value), 'give one address');
  const retention = check(
    'retention',
    text('retention'),
    (value) => RETENTION_DAYS.includes(Number(value)),
    `give a number of days that CloudWatch Logs takes: ${RETENTION_DAYS.join(', ')}`,
  );
  const liveFaults = check('faults', text('faults'), (value) => /^(true|false)$/.test(value), 'give true or false');
  const publicFaults = check(
    'publicFaults',
    text('publicFaults'),
    (value) => /^(true|false)$/.test(value),
    'give true or false',
  );
  if (publicFaults === 'true' && liveFaults !== 'true') {
    const remedy = 'switch live faults on with -c faults=true, or leave it out';
    faults.push({ where: '-c publicFaults', problem: 'there is no key that tokens could be made with', remedy });
  }
  const operator = check(
    'operator',
    text('operator'),
    (value) => OPERATOR.test(value),
    'give the ARN of a role or user: arn:aws:iam::<account>:role/<name>',
  );
  if (operator !== null && liveFaults !== 'true') {
    const remedy = 'switch live faults on with -c faults=true, or leave it out';
    faults.push({ where: '-c operator', problem: 'there is no key to read', remedy });
  }
  if (faults.length > 0) throw new UserError(faults);
  return {
    topology: topology ?? '',
    as,
    image: image === null ? { kind: 'table' } : image === 'latest' ? { kind: 'latest' } : { kind: 'id', id: image },
    certificate,
    clients: clients.filter((range) => range !== ''),
    email,
    retentionDays: retention === null ? DEFAULT_RETENTION_DAYS : Number(retention),
    faults: liveFaults === 'true',
    publicFaults: publicFaults === 'true',
    operator,
  };
}

function isIpv4Range(range: string): boolean {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(range);
  if (!match) return false;
  return match.slice(1, 5).every((byte) => Number(byte) <= 255) && Number(match[5]) <= 32;
}

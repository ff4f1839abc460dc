import { type Fault, UserError } from '../../model/user-error';

/** What was asked of CloudWatch Logs, to say so when it fails. */
export interface Asked {
  /** IAM action, such as `logs:StartQuery`. */
  readonly action: string;
  readonly logGroup: string;
}

const NO_CREDENTIALS = [
  'CredentialsProviderError',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'InvalidClientTokenId',
  'SignatureDoesNotMatch',
];
const EXPIRED = ['ExpiredTokenException', 'ExpiredToken', 'RequestExpired', 'TokenRefreshRequired'];
const REFUSED = ['AccessDeniedException', 'AccessDenied', 'UnauthorizedOperation'];
const UNREACHABLE = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'ECONNRESET', 'TimeoutError'];

/** The SDK's error as something a user can act on; an error that is nobody's to mend is returned as it is. */
export function explainError(error: unknown, { action, logGroup }: Asked): Error {
  const where = `CloudWatch Logs, ${logGroup}`;
  if ((error as Error).name === 'ResourceNotFoundException') {
    return new UserError({
      where,
      problem: 'there is no such log group',
      remedy: 'check AWS_REGION and the account, or deploy first (npx cdk deploy -c topology=<topology>)',
    });
  }
  return explainAwsError(error, { action, where, on: 'the log group' });
}

/** What any service of AWS may answer. */
export function explainAwsError(
  error: unknown,
  { action, where, on }: { readonly action: string; readonly where: string; readonly on: string },
): Error {
  const { name, message, code } = error as Error & { code?: string };
  const is = (names: readonly string[]): boolean =>
    names.includes(name) || (code !== undefined && names.includes(code));
  const fault = (problem: string, remedy: string): UserError =>
    new UserError({ where, problem, remedy } satisfies Fault);
  if (is(NO_CREDENTIALS)) {
    return fault(
      'no valid AWS credentials',
      'sign in (aws sso login, AWS_PROFILE, or the AWS_* variables), then try again',
    );
  }
  if (is(EXPIRED)) return fault('the AWS credentials have expired', 'sign in again, then try again');
  if (message?.includes('Region is missing')) {
    return fault('no AWS Region is set', 'set AWS_REGION or give --region');
  }
  if (is(REFUSED)) return fault(`not permitted: ${action}`, `have ${action} allowed on ${on}`);
  if (is(UNREACHABLE)) return fault(`not reachable (${code ?? name})`, 'check the network and AWS_REGION');
  return error instanceof Error ? error : new Error(String(error));
}

/** Whether the caller is known but may not do this: another way of reading may still be open to it. */
export function isRefused(error: unknown): boolean {
  return REFUSED.includes((error as Error).name);
}

import { UserError } from '../../model/user-error';

/** What was asked of CloudWatch Logs, to say so when it fails. */
export interface Asked {
  /** IAM action, such as `logs:StartQuery`. */
  readonly action: string;
  readonly logGroup: string;
}

const NO_CREDENTIALS = ['CredentialsProviderError', 'UnrecognizedClientException', 'InvalidSignatureException'];
const EXPIRED = ['ExpiredTokenException', 'ExpiredToken', 'RequestExpired', 'TokenRefreshRequired'];
const REFUSED = ['AccessDeniedException', 'AccessDenied', 'UnauthorizedOperation'];
const UNREACHABLE = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'ECONNRESET', 'TimeoutError'];

/** The SDK's error as something a user can act on; an error that is nobody's to mend is returned as it is. */
export function explainError(error: unknown, { action, logGroup }: Asked): Error {
  const { name, message, code } = error as Error & { code?: string };
  const where = `CloudWatch Logs, ${logGroup}`;
  const is = (names: readonly string[]): boolean =>
    names.includes(name) || (code !== undefined && names.includes(code));
  if (is(NO_CREDENTIALS)) {
    return new UserError({
      where,
      problem: 'no valid AWS credentials',
      remedy: 'sign in (aws sso login, AWS_PROFILE, or the AWS_* variables), then try again',
    });
  }
  if (is(EXPIRED)) {
    return new UserError({
      where,
      problem: 'the AWS credentials have expired',
      remedy: 'sign in again, then try again',
    });
  }
  if (message?.includes('Region is missing')) {
    return new UserError({ where, problem: 'no AWS Region is set', remedy: 'set AWS_REGION or give --region' });
  }
  if (is(REFUSED)) {
    return new UserError({
      where,
      problem: `not permitted: ${action}`,
      remedy: `have ${action} allowed on the log group`,
    });
  }
  if (name === 'ResourceNotFoundException') {
    return new UserError({
      where,
      problem: 'there is no such log group',
      remedy: 'check AWS_REGION and the account, or deploy first (npx cdk deploy -c topology=<topology>)',
    });
  }
  if (is(UNREACHABLE)) {
    return new UserError({
      where,
      problem: `not reachable (${code ?? name})`,
      remedy: 'check the network and AWS_REGION',
    });
  }
  return error instanceof Error ? error : new Error(String(error));
}

/** Whether the caller is known but may not do this: another way of reading may still be open to it. */
export function isRefused(error: unknown): boolean {
  return REFUSED.includes((error as Error).name);
}

import { execFile } from 'node:child_process';
import { KEY_TEXT } from '../model/token';
import { UserError } from '../model/user-error';

/** Of the AWS command line interface, version 2. */
export const AWS_COMMAND = 'aws';

export interface Place {
  readonly region: string;
}

const TIMEOUT_MS = 30_000;

/**
 * The key of live faults, read from Secrets Manager with the operator's own credentials. What the command prints is never
 * part of a message.
 *
 * @param arn of the secret
 * @throws UserError where the command is missing, may not read it, or reads something else
 */
export function readFaultKey(arn: string, { region }: Place): Promise<string> {
  const args = ['secretsmanager', 'get-secret-value', '--region', region, '--secret-id', arn];
  const all = [...args, '--query', 'SecretString', '--output', 'text'];
  return new Promise((resolve, reject) => {
    execFile(AWS_COMMAND, all, { timeout: TIMEOUT_MS, maxBuffer: 65_536 }, (error, stdout, stderr) => {
      if ((error as NodeJS.ErrnoException | null)?.code === 'ENOENT') return reject(noCommand());
      if (error) {
        const remedy = 'have secretsmanager:GetSecretValue allowed on it, or give the key in a file: --key-file';
        return reject(new UserError({ where: arn, problem: `can't be read: ${lastLine(stderr)}`, remedy }));
      }
      const key = stdout.trim();
      if (KEY_TEXT.test(key)) return resolve(key);
      reject(new UserError({ where: arn, problem: 'holds no key', remedy: 'deploy the stack again' }));
    });
  });
}

export function noCommand(): UserError {
  return new UserError({
    where: AWS_COMMAND,
    problem: 'there is no such command',
    remedy: 'install the AWS CLI (version 2) with its Session Manager plugin',
  });
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 500) || 'no reason given';
}

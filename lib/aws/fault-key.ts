import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';

/** What Secrets Manager makes: 256 random bits as 64 hexadecimal digits, as nodes take them. */
export const KEY_RECIPE = {
  passwordLength: 64,
  excludeUppercase: true,
  excludePunctuation: true,
  excludeCharacters: 'ghijklmnopqrstuvwxyz',
  requireEachIncludedType: false,
} as const;

/**
 * The key of live faults, made by Secrets Manager, so that no template, log or person has seen it. The secret has no name
 * of its own: one of a stack that was destroyed can be in nobody's way.
 */
export class FaultKey extends Construct {
  readonly arn: string;

  constructor(scope: Construct, id: string, topology: string) {
    super(scope, id);
    const secret = new secretsmanager.CfnSecret(this, 'Secret', {
      description: `Key of live faults in Microcosm's topology ${topology}`,
      generateSecretString: KEY_RECIPE,
    });
    this.arn = secret.ref;
  }

  /** Keeps out everybody else of the account, whatever their own policies allow. */
  admitOnly(principals: readonly string[]): void {
    new secretsmanager.CfnResourcePolicy(this, 'Readers', {
      secretId: this.arn,
      blockPublicPolicy: true,
      resourcePolicy: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Deny',
            Principal: '*',
            Action: 'secretsmanager:GetSecretValue',
            Resource: '*',
            Condition: { ArnNotEquals: { 'aws:PrincipalArn': principals } },
          },
        ],
      },
    });
  }
}

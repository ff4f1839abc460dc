import { Aws } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';

export interface HostRoleProps {
  /** `bucket/prefix*` of the host files and slices. */
  readonly assets: string;
  readonly logGroup: string;
  readonly metricsNamespace: string;
  /** ARN of the secret with the key of live faults; null where there is none. */
  readonly faultKey: string | null;
  /** ARN of the parameter that says where the topology's calls are; null where there is none. */
  readonly graph: string | null;
}

/**
 * What every host of a topology may do: read its files, write the topology's log and metrics, and be reached by Session
 * Manager. One role for all, since an account has a thousand.
 */
export class HostRole extends Construct {
  readonly arn: string;
  readonly profileName: string;

  constructor(scope: Construct, id: string, { assets, logGroup, metricsNamespace, faultKey, graph }: HostRoleProps) {
    super(scope, id);
    const group = `arn:${Aws.PARTITION}:logs:${Aws.REGION}:${Aws.ACCOUNT_ID}:log-group:${logGroup}`;
    const statements = [
      new iam.PolicyStatement({ actions: ['s3:GetObject'], resources: [`arn:${Aws.PARTITION}:s3:::${assets}`] }),
      new iam.PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'],
        resources: [group, `${group}:log-stream:*`],
      }),
      new iam.PolicyStatement({
        actions: ['cloudwatch:PutMetricData'],
        resources: ['*'],
        conditions: { StringEquals: { 'cloudwatch:namespace': metricsNamespace } },
      }),
      new iam.PolicyStatement({
        actions: [
          'ssm:UpdateInstanceInformation',
          'ssmmessages:CreateControlChannel',
          'ssmmessages:CreateDataChannel',
          'ssmmessages:OpenControlChannel',
          'ssmmessages:OpenDataChannel',
        ],
        resources: ['*'],
      }),
      ...(faultKey === null
        ? []
        : [new iam.PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [faultKey] })]),
      ...(graph === null ? [] : [new iam.PolicyStatement({ actions: ['ssm:GetParameter'], resources: [graph] })]),
    ];
    const role = new iam.CfnRole(this, 'Role', {
      assumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
      },
      // Inline, so that the role is complete before the first host takes it.
      policies: [{ policyName: 'Host', policyDocument: new iam.PolicyDocument({ statements }) }],
    });
    this.arn = role.attrArn;
    this.profileName = new iam.CfnInstanceProfile(this, 'Profile', { roles: [role.ref] }).ref;
  }
}

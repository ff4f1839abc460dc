import { type Stack, Validations } from 'aws-cdk-lib';

/** Findings of cdk-nag's AwsSolutions that are meant, each with its reason. Anything else fails the synthesis. */
const ACKNOWLEDGED: Readonly<Record<string, string>> = {
  'AwsSolutions-VPC7':
    'Every request is logged at both ends with its instance; a flow log would repeat that without trace ids, for as much again.',
  'AwsSolutions-ELB2':
    'The edge logs every request. A bucket of access logs can not be deleted with the stack while it holds any.',
  'AwsSolutions-EC28': 'The agent reports CPU and memory every minute, for less than detailed monitoring costs.',
  'AwsSolutions-EC29':
    'Hosts hold no data and are replaced whenever what they run changes; destroying the stack has to end them.',
  'AwsSolutions-IAM5[Resource::*]':
    'PutMetricData and the ssmmessages actions know no resources; the former is held to one namespace by a condition.',
};

/** Findings that name the topology. */
function acknowledgedFor(topology: string): Readonly<Record<string, string>> {
  const partition = '<AWS::Partition>';
  const place = '<AWS::AccountId>-<AWS::Region>';
  return {
    [`AwsSolutions-IAM5[Resource::arn:${partition}:s3:::cdk-hnb659fds-assets-${place}/microcosm/${topology}/*]`]:
      "The files and slices of this topology's hosts, whose names are hashes.",
    [`AwsSolutions-IAM5[Resource::arn:${partition}:logs:<AWS::Region>:<AWS::AccountId>:log-group:/microcosm/${topology}:log-stream:*]`]:
      "The streams of this topology's log group, which carry instance ids.",
  };
}

/** The topic exists only with an address to mail to. */
const ACKNOWLEDGED_WITH_EMAIL: Readonly<Record<string, string>> = {
  'AwsSolutions-SNS2': "CloudWatch can not publish to a topic under Amazon's own key, and alarms name no secret.",
};

const ACKNOWLEDGED_WITH_TABLE: Readonly<Record<string, string>> = {
  'CloudFormation-Validate::W9010': 'The image does come from a mapping by Region.',
};

/** The secret exists only with live faults switched on. */
const ACKNOWLEDGED_WITH_FAULTS: Readonly<Record<string, string>> = {
  'AwsSolutions-SMG4':
    'The key lives as long as the stack and opens loopback ports alone; rotating it would need every host to start again.',
};

export interface Acknowledgements {
  readonly topology: string;
  readonly email: boolean;
  readonly imageTable: boolean;
  readonly faults: boolean;
}

export function acknowledge(stack: Stack, { topology, email, imageTable, faults }: Acknowledgements): void {
  const rules = {
    ...ACKNOWLEDGED,
    ...acknowledgedFor(topology),
    ...(email && ACKNOWLEDGED_WITH_EMAIL),
    ...(faults && ACKNOWLEDGED_WITH_FAULTS),
    ...(imageTable && ACKNOWLEDGED_WITH_TABLE),
  };
  for (const [id, reason] of Object.entries(rules)) Validations.of(stack).acknowledge({ id, reason });
}

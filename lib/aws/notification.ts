import { Aws } from 'aws-cdk-lib';
import * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';

/** Mails alarms to one address, which has to confirm it first. */
export class Notification extends Construct {
  readonly topicArn: string;

  constructor(scope: Construct, id: string, props: { readonly topology: string; readonly email: string }) {
    super(scope, id);
    const topic = new sns.CfnTopic(this, 'Topic', { displayName: `Microcosm ${props.topology}` });
    this.topicArn = topic.ref;
    new sns.CfnSubscription(this, 'Subscription', { topicArn: topic.ref, protocol: 'email', endpoint: props.email });
    new sns.CfnTopicPolicy(this, 'Policy', {
      topics: [topic.ref],
      policyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Sid: 'AlarmsPublish',
            Effect: 'Allow',
            Principal: { Service: 'cloudwatch.amazonaws.com' },
            Action: 'sns:Publish',
            Resource: topic.ref,
            Condition: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
          },
          {
            Sid: 'NoPlainText',
            Effect: 'Deny',
            Principal: '*',
            Action: 'sns:Publish',
            Resource: topic.ref,
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          },
        ],
      },
    });
  }
}

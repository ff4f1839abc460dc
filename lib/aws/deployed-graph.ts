import { Aws, type CfnResource } from 'aws-cdk-lib';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { graphParameterName } from '../model/contract';

export interface DeployedGraphProps {
  readonly topology: string;
  /** `bucket/key` of the JSON file with the callees of every service. */
  readonly object: string;
}

/**
 * Tells hosts where the calls of the whole topology are: what an itinerary may visit. The name never changes and
 * the value does with every call, so that a host looks again instead of being replaced for what others do. The calls
 * themselves stand in a file, because a parameter takes 4 KB.
 */
export class DeployedGraph extends Construct {
  readonly arn: string;
  /** Hosts are made, or made anew, once it says what is deployed. */
  readonly parameter: CfnResource;

  constructor(scope: Construct, id: string, { topology, object }: DeployedGraphProps) {
    super(scope, id);
    const name = graphParameterName(topology);
    this.arn = `arn:${Aws.PARTITION}:ssm:${Aws.REGION}:${Aws.ACCOUNT_ID}:parameter${name}`;
    this.parameter = new ssm.CfnParameter(this, 'Parameter', {
      name,
      type: 'String',
      value: object,
      description: `Where the calls of Microcosm's topology ${topology} are`,
    });
  }
}

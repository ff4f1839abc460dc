import { Aws, Fn } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';

/** Addresses of the network; the private subnets are large enough for what a Cloud Map namespace takes. */
const RANGES = {
  network: '10.71.0.0/16',
  public: ['10.71.0.0/24', '10.71.1.0/24'],
  private: ['10.71.64.0/18', '10.71.128.0/18'],
} as const;

/**
 * Services that a host reaches without a way to the internet: the agent's logs and metrics, and Session Manager. Signals
 * to CloudFormation, packages and host files all go to S3, whose gateway costs nothing.
 */
export const INTERFACE_ENDPOINTS = ['logs', 'monitoring', 'ssm', 'ssmmessages'] as const;

export interface NetworkProps {
  /** `bucket/prefix*` that hosts read. */
  readonly assets: string;
  /** ARN of the secret that hosts read through an endpoint of its own; null where there is none. */
  readonly faultKey: string | null;
}

/**
 * Public subnets for the balancer alone, isolated subnets for the hosts, in two availability zones, and no NAT. The
 * interface endpoints stand in one zone: they carry logs and sessions, not traffic, the agent retries for days, and
 * a second zone would double their cost.
 */
export class Network extends Construct {
  readonly vpcId: string;
  readonly range: string = RANGES.network;
  readonly publicSubnetIds: readonly string[];
  readonly privateSubnetIds: readonly string[];
  /** What a host needs before it boots. */
  readonly ways: readonly ec2.CfnVPCEndpoint[];
  /** The balancer's way out, without which it can't be made. */
  readonly internetRoute: ec2.CfnRoute;

  constructor(scope: Construct, id: string, props: NetworkProps) {
    super(scope, id);
    const vpc = new ec2.CfnVPC(this, 'Vpc', {
      cidrBlock: RANGES.network,
      enableDnsHostnames: true,
      enableDnsSupport: true,
    });
    this.vpcId = vpc.ref;
    const internet = new ec2.CfnInternetGateway(this, 'Internet');
    const attachment = new ec2.CfnVPCGatewayAttachment(this, 'InternetAttachment', {
      vpcId: vpc.ref,
      internetGatewayId: internet.ref,
    });
    const publicRoutes = new ec2.CfnRouteTable(this, 'PublicRoutes', { vpcId: vpc.ref });
    this.internetRoute = new ec2.CfnRoute(this, 'InternetRoute', {
      routeTableId: publicRoutes.ref,
      destinationCidrBlock: '0.0.0.0/0',
      gatewayId: internet.ref,
    });
    this.internetRoute.addResourceDependency(attachment);
    const privateRoutes = new ec2.CfnRouteTable(this, 'PrivateRoutes', { vpcId: vpc.ref });
    this.publicSubnetIds = this.subnets('Public', RANGES.public, publicRoutes);
    this.privateSubnetIds = this.subnets('Private', RANGES.private, privateRoutes);
    const gateway = new ec2.CfnVPCEndpoint(this, 'S3', {
      vpcId: vpc.ref,
      vpcEndpointType: 'Gateway',
      serviceName: `com.amazonaws.${Aws.REGION}.s3`,
      routeTableIds: [privateRoutes.ref],
      policyDocument: gatewayPolicy(props.assets),
    });
    const members = this.endpointMembers();
    for (const service of INTERFACE_ENDPOINTS) this.interfaceEndpoint(service, members);
    const { faultKey } = props;
    const key = faultKey === null ? [] : [this.interfaceEndpoint('secretsmanager', members, keyPolicy(faultKey))];
    this.ways = [gateway, ...key];
  }

  private subnets(kind: string, ranges: readonly string[], routes: ec2.CfnRouteTable): readonly string[] {
    return ranges.map((cidrBlock, zone) => {
      const subnet = new ec2.CfnSubnet(this, `${kind}Subnet${zone + 1}`, {
        vpcId: this.vpcId,
        cidrBlock,
        availabilityZone: Fn.select(zone, Fn.getAzs()),
        mapPublicIpOnLaunch: false,
      });
      new ec2.CfnSubnetRouteTableAssociation(this, `${kind}Subnet${zone + 1}Routes`, {
        subnetId: subnet.ref,
        routeTableId: routes.ref,
      });
      return subnet.ref;
    });
  }

  private endpointMembers(): string {
    const members = new ec2.CfnSecurityGroup(this, 'EndpointMembers', {
      vpcId: this.vpcId,
      groupDescription: 'Endpoints of AWS services, for the hosts of this network',
      securityGroupIngress: [
        {
          ipProtocol: 'tcp',
          fromPort: 443,
          toPort: 443,
          cidrIp: RANGES.network,
          description: 'HTTPS from the network',
        },
      ],
      securityGroupEgress: [NOWHERE],
    });
    return members.ref;
  }

  private interfaceEndpoint(service: string, members: string, policyDocument?: object): ec2.CfnVPCEndpoint {
    return new ec2.CfnVPCEndpoint(this, `Endpoint-${service}`, {
      vpcId: this.vpcId,
      vpcEndpointType: 'Interface',
      serviceName: `com.amazonaws.${Aws.REGION}.${service}`,
      subnetIds: [this.privateSubnetIds[0] as string],
      securityGroupIds: [members],
      privateDnsEnabled: true,
      policyDocument,
    });
  }
}

/** Says that nothing goes out: without any rule EC2 adds one that lets everything out. */
export const NOWHERE: ec2.CfnSecurityGroup.EgressProperty = {
  ipProtocol: 'icmp',
  fromPort: 252,
  toPort: 86,
  cidrIp: '255.255.255.255/32',
  description: 'Nothing goes out',
};

/** Through this endpoint hosts read the one secret. */
function keyPolicy(faultKey: string): object {
  return {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: '*', Action: 'secretsmanager:GetSecretValue', Resource: faultKey }],
  };
}

/** Through the gateway hosts reach their files, Amazon Linux's packages and the signals' bucket, and nothing else. */
function gatewayPolicy(assets: string): object {
  const allow = (action: string, resource: string): object => ({
    Effect: 'Allow',
    Principal: '*',
    Action: action,
    Resource: resource,
  });
  const bucket = (name: string): string => `arn:${Aws.PARTITION}:s3:::${name}`;
  return {
    Version: '2012-10-17',
    Statement: [
      allow('s3:GetObject', bucket(assets)),
      allow('s3:GetObject', bucket(`al2023-repos-${Aws.REGION}-de612dc2/*`)),
      allow('s3:PutObject', bucket(`cloudformation-waitcondition-${Aws.REGION}/*`)),
    ],
  };
}

import { Aws, type CfnResource, CfnWaitCondition, CfnWaitConditionHandle, Fn, Stack } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as servicediscovery from 'aws-cdk-lib/aws-servicediscovery';
import { Construct } from 'constructs';
import { HOST_TAGS, PORTS } from '../model/contract';
import { hashValue } from '../model/slice';
import type { Service } from '../model/topology';
import { HOST_BOUNDS } from './host';
import type { Image } from './image';
import { DEFAULT_INSTANCE_TYPE } from './instance-types';
import { userData } from './user-data';

/** What all hosts of a topology have in common. */
export interface HostWorld {
  readonly topology: string;
  readonly image: Image;
  readonly profileName: string;
  /** Nothing can be installed before these exist. */
  readonly ways: readonly CfnResource[];
  /** ARN of the secret with the key of live faults; null where they are switched off. */
  readonly faultKey: string | null;
  /** Whether the edge lets itineraries and overlays in. */
  readonly publicFaults: boolean;
  readonly logGroup: string;
  readonly metricsNamespace: string;
  /** Bucket and keys of what the host fetches. */
  readonly bucket: string;
  readonly filesKey: string;
  /** Where alarms go besides their own remedy; empty without an address. */
  readonly notify: readonly string[];
}

export interface ServiceHostProps {
  readonly world: HostWorld;
  readonly service: Service;
  readonly instance: string;
  readonly subnetId: string;
  readonly groupId: string;
  readonly discoveryId: string;
  readonly sliceKey: string;
}

/**
 * One replica: a machine that is never changed, only replaced. Whatever makes it what it is goes into a hash, and the
 * hash into the ids of the machine and of its signal; so a change makes a new machine, waits until that is ready,
 * moves the registration (and the balancer's target) over, and only then ends the old one. In deletion the order is the
 * reverse, so no registered instance is ever left behind.
 */
export class ServiceHost extends Construct {
  readonly instanceId: string;
  /** Met once the node is ready. */
  readonly ready: CfnWaitCondition;

  constructor(scope: Construct, id: string, props: ServiceHostProps) {
    super(scope, id);
    const { world, service, instance } = props;
    const instanceType = service.instanceType ?? DEFAULT_INSTANCE_TYPE;
    const script = (region: string, bucket: string, signalUrl: string, faultKey: string | null): string =>
      userData({
        region,
        instance,
        service: service.name,
        topology: world.topology,
        edge: service.edge,
        logGroup: world.logGroup,
        metricsNamespace: world.metricsNamespace,
        files: `${bucket}/${world.filesKey}`,
        slice: `${bucket}/${props.sliceKey}`,
        faultKey,
        publicFaults: world.publicFaults,
        signalUrl,
      });
    const constant = script('', '', '', world.faultKey === null ? null : '');
    const identity = hashValue([constant, world.image.identity, instanceType, HOST_BOUNDS.volumeGib]).slice(0, 8);

    const handle = new CfnWaitConditionHandle(this, `Signal${identity}`);
    const machine = new ec2.CfnInstance(this, `Machine${identity}`, {
      imageId: world.image.value(instanceType, Stack.of(this)),
      instanceType,
      iamInstanceProfile: world.profileName,
      subnetId: props.subnetId,
      securityGroupIds: [props.groupId],
      metadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 1, httpEndpoint: 'enabled' },
      blockDeviceMappings: [
        {
          deviceName: '/dev/xvda',
          ebs: { volumeType: 'gp3', volumeSize: HOST_BOUNDS.volumeGib, encrypted: true, deleteOnTermination: true },
        },
      ],
      ebsOptimized: true,
      propagateTagsToVolumeOnCreation: true,
      tags: [
        { key: 'Name', value: `${world.topology} ${instance}` },
        { key: HOST_TAGS.service, value: service.name },
        { key: HOST_TAGS.instance, value: instance },
      ],
      userData: Fn.base64(script(Aws.REGION, world.bucket, handle.ref, world.faultKey)),
    });
    for (const way of world.ways) machine.addResourceDependency(way);
    this.instanceId = machine.ref;

    // A wait condition rather than a creation policy: its failure carries the host's own words into the stack's events.
    this.ready = new CfnWaitCondition(this, `Ready${identity}`, {
      handle: handle.ref,
      count: 1,
      timeout: String(HOST_BOUNDS.readySeconds),
    });
    this.ready.addResourceDependency(machine);

    const registration = new servicediscovery.CfnInstance(this, 'Registration', {
      serviceId: props.discoveryId,
      instanceId: instance,
      instanceAttributes: { AWS_INSTANCE_IPV4: machine.attrPrivateIp, AWS_INSTANCE_PORT: String(PORTS.mesh) },
    });
    registration.addResourceDependency(this.ready);
    this.watch(world, instance);
  }

  /** Moves the machine off failed hardware, restarts a hung system, and names a machine that is gone. */
  private watch({ topology, notify }: HostWorld, instance: string): void {
    const alarm = (id: string, what: string, props: AlarmParts): void => {
      new cloudwatch.CfnAlarm(this, id, {
        alarmName: `${topology} ${instance} ${what}`,
        namespace: 'AWS/EC2',
        dimensions: [{ name: 'InstanceId', value: this.instanceId }],
        statistic: 'Maximum',
        period: 60,
        threshold: 1,
        comparisonOperator: 'GreaterThanOrEqualToThreshold',
        ...props,
      });
    };
    const action = (name: string): string => `arn:${Aws.PARTITION}:automate:${Aws.REGION}:ec2:${name}`;
    alarm('Recover', 'hardware', {
      alarmDescription: `The hardware under ${instance} fails its checks: the machine moves to other hardware.`,
      metricName: 'StatusCheckFailed_System',
      evaluationPeriods: 2,
      treatMissingData: 'missing',
      alarmActions: [action('recover'), ...notify],
    });
    alarm('Reboot', 'system', {
      alarmDescription: `The system of ${instance} hangs: the machine is rebooted.`,
      metricName: 'StatusCheckFailed_Instance',
      evaluationPeriods: 3,
      treatMissingData: 'missing',
      alarmActions: [action('reboot'), ...notify],
    });
    alarm('Gone', 'gone', {
      alarmDescription: `${instance} fails its checks for ten minutes, or is terminated; docs/aws.md says how to restore it.`,
      metricName: 'StatusCheckFailed',
      evaluationPeriods: 10,
      treatMissingData: 'breaching',
      alarmActions: [...notify],
    });
  }
}

type AlarmParts = Pick<
  cloudwatch.CfnAlarmProps,
  'alarmDescription' | 'metricName' | 'treatMissingData' | 'alarmActions'
> & { readonly evaluationPeriods: number };

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import {
  type App,
  CfnOutput,
  DefaultStackSynthesizer,
  FileAssetPackaging,
  NestedStack,
  RemovalPolicy,
  Stack,
  Tags,
} from 'aws-cdk-lib';
import * as logs from 'aws-cdk-lib/aws-logs';
import { calleesByService } from '../model/call-graph';
import { logGroupName, STACK_OUTPUTS, stackName } from '../model/contract';
import { hashValue, sliceOf } from '../model/slice';
import type { Service, Topology } from '../model/topology';
import { Alarms } from './alarms';
import { Dashboard } from './dashboard';
import { DeployedGraph } from './deployed-graph';
import { Discovery } from './discovery';
import { Edge } from './edge';
import { EventMetrics, metricsNamespace } from './event-metrics';
import { FaultKey } from './fault-key';
import { groupOf, instancesOf, type Layout, layoutOf } from './footprint';
import type { HostFiles } from './host-files';
import { HostRole } from './host-role';
import { imageFor } from './image';
import { checkLimits } from './limits';
import { makeMembers } from './members';
import { Network } from './network';
import { Notification } from './notification';
import { SavedQueries } from './saved-queries';
import { ServiceHost } from './service-host';
import type { Settings } from './settings';
import type { SharedValue } from './shared-value';

export interface MicrocosmStackProps {
  /** Resolved; its name is replaced by `settings.as` where that is given, its seed never. */
  readonly topology: Topology;
  readonly settings: Settings;
  readonly hostFiles: HostFiles;
  /** Region that the command line is set to, for an early error. @default unknown */
  readonly region?: string;
}

/**
 * A topology on AWS. Throws a `UserError` when it can't fit the services' limits or the Region has no image.
 */
export class MicrocosmStack extends Stack {
  readonly topologyName: string;

  constructor(app: App, { topology: given, settings, hostFiles, region }: MicrocosmStackProps) {
    const topology = settings.as === null ? given : { ...given, name: settings.as };
    checkLimits(topology);
    const prefix = `microcosm/${topology.name}/`;
    super(app, stackName(topology.name), {
      stackName: stackName(topology.name),
      description: `Microcosm: the topology ${topology.name}`,
      // Assets of their own prefix, so that hosts can be given this topology's and no other app's.
      synthesizer: new DefaultStackSynthesizer({ bucketPrefix: prefix }),
      terminationProtection: false,
      // A template may have 1 MB; indentation takes a third of it.
      suppressTemplateIndentation: true,
    });
    this.topologyName = topology.name;
    const scopes = new Scopes(this, layoutOf(topology));
    const assets = new Assets(this, prefix, app.outdir, hostFiles);
    const image = imageFor(this, settings.image, region);
    const namespace = metricsNamespace(topology.name);
    const logGroup = logGroupName(topology.name);

    const notify = settings.email === null ? [] : [this.notification(topology.name, settings.email)];
    const key = settings.faults ? new FaultKey(this, 'FaultKey', topology.name) : null;
    const faultKey = key?.arn ?? null;
    const graph = settings.faults ? this.deployedGraph(topology, assets) : null;
    const network = new Network(this, 'Network', { assets: assets.pattern, faultKey });
    const groups = makeMembers({ topology, network, groupScope: scopes.members, ruleScope: scopes.services });
    const discovery = new Discovery(this, 'Discovery', {
      topology,
      vpcId: network.vpcId,
      serviceScope: scopes.services,
    });
    const role = new HostRole(this, 'HostRole', {
      assets: assets.pattern,
      logGroup,
      metricsNamespace: namespace,
      faultKey,
      graph: graph?.arn ?? null,
    });
    if (settings.operator !== null) key?.admitOnly([role.arn, settings.operator]);
    const world = {
      topology: topology.name,
      image,
      profileName: role.profileName,
      ways: [...network.ways, ...(graph === null ? [] : [graph.parameter])],
      faultKey,
      publicFaults: settings.publicFaults,
      logGroup,
      metricsNamespace: namespace,
      bucket: assets.bucket,
      filesKey: assets.filesKey,
      notify,
    };
    const hosts = new Map<string, ServiceHost[]>();
    for (const service of Object.values(topology.services)) {
      const slice = assets.json('slice', sliceOf(topology, service.name));
      hosts.set(
        service.name,
        instancesOf(service).map(({ instance }, index) => {
          const scope = scopes.host(instance);
          return new ServiceHost(scope, `Host-${instance}`, {
            world,
            service,
            instance,
            subnetId: network.privateSubnetIds[index % network.privateSubnetIds.length] as string,
            groupId: (groups.get(service.name) as SharedValue)(scope),
            discoveryId: (discovery.serviceIds.get(service.name) as SharedValue)(scope),
            sliceKey: slice,
          });
        }),
      );
    }
    const edge = new Edge(this, 'Edge', {
      topology,
      network,
      clients: settings.clients,
      certificate: settings.certificate,
      groups,
      ruleScope: scopes.services,
      hosts: (service) => hosts.get(service.name) ?? [],
    });
    const group = this.eventLog(logGroup, settings.retentionDays);
    const metrics = new EventMetrics(this, 'Metrics', { topology, logGroup: group.ref });
    const dashboard = new Dashboard(this, 'Dashboard', {
      stack: this,
      topology: topology.name,
      namespace,
      byService: metrics.byService,
      edge,
    });
    new Alarms(this, 'Alarms', { topology, edge, namespace, notify });
    new SavedQueries(this, 'Queries', { topology: topology.name, logGroup: group.ref });

    Tags.of(group).add('microcosm:topology-hash', hashValue(topology));
    this.tags.setTag('microcosm:topology', topology.name);
    this.output(STACK_OUTPUTS.edgeUrl, edge.url, 'Where users send their requests');
    const admitted = settings.clients.join(', ') || 'nobody: deploy with -c clients=<your address>/32';
    this.output('Clients', admitted, 'Address ranges that the edge admits');
    this.output(STACK_OUTPUTS.logGroup, group.ref, 'Event log of every host');
    this.output('DashboardUrl', dashboard.url, 'CloudWatch dashboard');
    this.output(
      STACK_OUTPUTS.topologyHash,
      hashValue(topology),
      'What is deployed: a run is refused against anything else',
    );
    this.output(
      'LoadCommand',
      `npx ts-node tools/load.ts ${settings.topology} --aws${settings.as === null ? '' : ` --as ${settings.as}`}`,
      'Sends traffic, prints the run id',
    );
    if (faultKey !== null) {
      this.output(
        STACK_OUTPUTS.faultKey,
        faultKey,
        'Secret with the key of live faults (tools/fault.ts --aws reads it)',
      );
    }
    if (settings.publicFaults) {
      this.output(STACK_OUTPUTS.publicFaults, 'on', 'The edge lets itineraries and overlays in, with a token');
    }
    this.output('TimelineCommand', 'npx ts-node tools/timeline.ts <run-id>', 'Shows the flows of a run');
  }

  /** The stack owns the log, so that it goes with it. */
  private eventLog(logGroup: string, retentionInDays: number): logs.CfnLogGroup {
    const group = new logs.CfnLogGroup(this, 'EventLog', {
      logGroupName: logGroup,
      retentionInDays,
      // Makes "all events of a run" read that run instead of everything.
      fieldIndexPolicies: [{ Fields: ['run', 'traceId'] }],
    });
    group.applyRemovalPolicy(RemovalPolicy.DESTROY);
    return group;
  }

  private deployedGraph(topology: Topology, assets: Assets): DeployedGraph {
    const object = `${assets.bucket}/${assets.json('graph', calleesByService(topology))}`;
    return new DeployedGraph(this, 'Graph', { topology: topology.name, object });
  }

  private notification(topology: string, email: string): string {
    return new Notification(this, 'Notification', { topology, email }).topicArn;
  }

  private output(id: string, value: string, description: string): void {
    new CfnOutput(this, id, { value, description });
  }
}

/** The stack, nested or not, of each part of the topology. */
class Scopes {
  private readonly nested = new Map<string, NestedStack>();

  constructor(
    private readonly root: Stack,
    private readonly layout: Layout,
  ) {}

  readonly members = ({ name }: Service): Stack => this.group('Members', name, this.layout.groups.members);
  readonly services = ({ name }: Service): Stack => this.group('Services', name, this.layout.groups.services);
  readonly host = (instance: string): Stack => this.group('Hosts', instance, this.layout.groups.hosts);

  private group(kind: string, name: string, groups: number): Stack {
    if (!this.layout.nested) return this.root;
    const id = `${kind}${groupOf(name, groups)}`;
    const existing = this.nested.get(id);
    if (existing) return existing;
    const stack = new NestedStack(this.root, id, { description: `${id} of ${this.root.stackName}` });
    this.nested.set(id, stack);
    return stack;
  }
}

/** Files that the deployment puts into the bootstrap bucket, by the hash of their content; paths are the assembly's. */
class Assets {
  /** Name of the bucket, with account and Region to be filled in by CloudFormation. */
  readonly bucket: string;
  /** `bucket/prefix*` */
  readonly pattern: string;
  readonly filesKey: string;

  constructor(
    private readonly stack: Stack,
    prefix: string,
    private readonly outdir: string,
    files: HostFiles,
  ) {
    const { bucketName, objectKey } = this.stack.synthesizer.addFileAsset({
      fileName: relative(outdir, files.folder),
      packaging: FileAssetPackaging.ZIP_DIRECTORY,
      sourceHash: files.hash,
      displayName: 'host files',
    });
    this.filesKey = objectKey;

    this.bucket = bucketName;
    this.pattern = `${this.bucket}/${prefix}*`;
  }

  /** Key of a JSON file. */
  json(kind: string, value: unknown): string {
    const text = JSON.stringify(value);
    const sourceHash = createHash('sha256').update(text).digest('hex');
    const fileName = join(`${kind}s`, `${sourceHash}.json`);
    mkdirSync(join(this.outdir, dirname(fileName)), { recursive: true });
    writeFileSync(join(this.outdir, fileName), text);
    return this.stack.synthesizer.addFileAsset({
      fileName,
      packaging: FileAssetPackaging.FILE,
      sourceHash,
      displayName: `${kind} ${sourceHash.slice(0, 8)}`,
    }).objectKey;
  }
}

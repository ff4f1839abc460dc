/** What the emulator can't do, and what is done about it here. Anything it says that is not in this table fails the proof. */
export interface Gap {
  readonly type: string;
  /** Null: the whole resource is left out. Else the attribute, which is replaced by a text. */
  readonly attribute: string | null;
  readonly what: string;
}

const leftOut = (type: string, what: string): Gap => ({ type, attribute: null, what });

export const GAPS: readonly Gap[] = [
  leftOut('AWS::ServiceDiscovery::PrivateDnsNamespace', 'the namespace is not made'),
  leftOut('AWS::ServiceDiscovery::Service', 'names are not made'),
  leftOut('AWS::ServiceDiscovery::Instance', 'hosts are not registered'),
  leftOut('AWS::EC2::SecurityGroupEgress', 'rules that let callers out are not made; those that let them in are'),
  leftOut('AWS::CloudFormation::WaitConditionHandle', 'hosts have no address to signal to'),
  leftOut('AWS::CloudFormation::WaitCondition', 'nothing waits for hosts to be ready'),
  leftOut('AWS::CloudWatch::Alarm', 'alarms are not made'),
  leftOut('AWS::SecretsManager::Secret', 'the key of live faults is not made'),
  leftOut('AWS::Logs::MetricFilter', 'the event log yields no metrics'),
  leftOut('AWS::Logs::QueryDefinition', 'queries are not saved'),
  leftOut('AWS::CDK::Metadata', 'nothing that anyone would miss'),
  {
    type: 'AWS::ElasticLoadBalancingV2::TargetGroup',
    attribute: 'TargetGroupFullName',
    what: "the dashboard's target group has no true name",
  },
  {
    type: 'AWS::ElasticLoadBalancingV2::LoadBalancer',
    attribute: 'LoadBalancerFullName',
    what: "the dashboard's balancer has no true name",
  },
];

/** Where the emulator takes a property by another name, or not at all. */
export const PROPERTY_GAPS: readonly string[] = [
  'a stack made by a change set has no outputs: it is deployed with --method direct',
  'AWS::EC2::Instance: SecurityGroupIds are read from SecurityGroups, where they are put',
  'AWS::EC2::Instance: MetadataOptions and EbsOptimized are not kept',
  'AWS::ElasticLoadBalancingV2::TargetGroup: Targets are not registered; they are resolved from the deployed template',
];

/** Kinds of things that the emulator makes for a stack and knows no way to delete with it. */
export const LEFT_BEHIND: readonly string[] = ['endpoints', 'gateways', 'targetGroups'];

interface Template {
  Resources: Record<string, { Type: string; Properties?: Record<string, unknown>; DependsOn?: string | string[] }>;
  readonly Outputs?: unknown;
}

function renamed(resource: Template['Resources'][string]): Template['Resources'][string] {
  const { Type: type, Properties: properties = {} } = resource;
  if (type !== 'AWS::EC2::Instance') return resource;
  const { SecurityGroupIds: groups, ...rest } = properties;
  return { ...resource, Properties: { ...rest, SecurityGroups: groups } };
}

/** A template that the emulator can take: without what it lacks, and with texts in place of references to that. */
export function withoutGaps(template: Template): Template {
  const isLeftOut = (type: string): boolean => GAPS.some((gap) => gap.type === type && gap.attribute === null);
  const typeOf = (id: string): string => template.Resources[id]?.Type ?? '';
  const gone = new Set(Object.keys(template.Resources).filter((id) => isLeftOut(typeOf(id))));
  const isGap = (id: string, attribute: string): boolean =>
    gone.has(id) || GAPS.some((gap) => gap.type === typeOf(id) && gap.attribute === attribute);

  const replaced = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(replaced);
    if (value === null || typeof value !== 'object') return value;
    const { Ref: ref, 'Fn::GetAtt': got } = value as { Ref?: string; 'Fn::GetAtt'?: [string, string] };
    if (ref !== undefined && gone.has(ref)) return `http://emulated.invalid/${ref}`;
    if (got !== undefined && isGap(got[0], got[1])) return `emulated-${got[0]}-${got[1]}`;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, replaced(each)]));
  };

  const kept = Object.entries(template.Resources)
    .filter(([id]) => !gone.has(id))
    .map(([id, resource]) => {
      const { DependsOn: given = [], ...rest } = renamed(resource);
      const dependsOn = [given].flat().filter((other) => !gone.has(other));
      return [id, { ...rest, ...(dependsOn.length > 0 && { DependsOn: dependsOn }) }] as const;
    });
  const result = { ...template, Resources: Object.fromEntries(kept) };
  return replaced(result) as Template;
}

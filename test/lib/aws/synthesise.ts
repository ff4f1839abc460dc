import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, NestedStack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { writeHostFiles } from '../../../lib/aws/host-files';
import { MicrocosmStack } from '../../../lib/aws/microcosm-stack';
import { readSettings } from '../../../lib/aws/settings';
import { resolve } from '../../../lib/model/resolve';
import type { TopologySpec } from '../../../lib/model/spec';
import type { Topology } from '../../../lib/model/topology';

// The schema validation of every template takes seconds; the test of the app has it on.
process.env.CDK_VALIDATION = 'false';

export interface Synthesised {
  readonly stack: MicrocosmStack;
  readonly template: Template;
  /** Of the nested stacks, by id. */
  readonly nested: Readonly<Record<string, Template>>;
  readonly outdir: string;
}

// biome-ignore lint/suspicious/noExplicitAny: templates are read as what they are, untyped JSON
export type Resource = { readonly Type: string; readonly Properties: any; readonly DependsOn?: readonly string[] };

/** The templates of a topology, with a stand-in for the node's program unless one is given. */
export function synthesise(
  topology: Topology,
  context: Readonly<Record<string, unknown>> = {},
  { program = 'stand-in', region }: { readonly program?: string; readonly region?: string } = {},
): Synthesised {
  const outdir = mkdtempSync(join(tmpdir(), 'microcosm-synth-'));
  const app = new App({ outdir });
  const settings = readSettings((key) => ({ topology: topology.name, ...context })[key]);
  const stack = new MicrocosmStack(app, { topology, settings, hostFiles: writeHostFiles(outdir, { program }), region });
  const template = Template.fromStack(stack);
  const nested = stack.node.children
    .filter((child): child is NestedStack => NestedStack.isNestedStack(child))
    .map((child) => [child.node.id, Template.fromStack(child)] as const);
  return { stack, template, nested: Object.fromEntries(nested), outdir };
}

export function topologyOf(spec: object, name = 'small'): Topology {
  return resolve(spec as TopologySpec, name);
}

/** All resources of a type, by logical id. */
export function resources(template: Template, type: string): Readonly<Record<string, Resource>> {
  return template.findResources(type) as never;
}

/** `GetAtt` and `Ref` both say which resource a value is of. */
export function target(value: unknown): string {
  const reference = value as { Ref?: string; 'Fn::GetAtt'?: [string, string] };
  return reference['Fn::GetAtt']?.[0] ?? reference.Ref ?? '';
}

/** The text of user data, with `{Ref:…}` where the template has a reference. */
export function userDataText(resource: Resource): string {
  const value = resource.Properties.UserData['Fn::Base64'];
  const parts = (value['Fn::Join']?.[1] ?? [value]) as readonly unknown[];
  return parts.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join('');
}

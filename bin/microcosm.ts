import { Annotations, App, Validations } from 'aws-cdk-lib';
import type { AwsSolutionsChecks } from 'cdk-nag';
import { writeHostFiles } from '../lib/aws/host-files';
import { MicrocosmStack } from '../lib/aws/microcosm-stack';
import { acknowledge } from '../lib/aws/security-checks';
import { readSettings } from '../lib/aws/settings';
import { loadTopology } from '../lib/model/load-topology';
import { formatFault, UserError } from '../lib/model/user-error';

/** The CDK app: `npx cdk synth|diff|deploy|destroy -c topology=<name or path>`; docs/aws.md lists the other settings. */
function main(): void {
  const app = new App();
  const settings = readSettings((key) => app.node.tryGetContext(key));
  const stack = new MicrocosmStack(app, {
    topology: loadTopology(settings.topology),
    settings,
    hostFiles: writeHostFiles(app.outdir),
    region: process.env.CDK_DEFAULT_REGION,
  });
  acknowledge(stack, {
    topology: stack.topologyName,
    email: settings.email !== null,
    imageTable: settings.image.kind === 'table',
    faults: settings.faults,
  });
  if (process.env.CDK_VALIDATION !== 'false') checkSecurity(app);
  if (settings.clients.length === 0) {
    Annotations.of(stack).addWarningV2(
      'microcosm:nobody-admitted',
      'The edge will admit nobody. Deploy with -c clients=<your address>/32 to send traffic.',
    );
  }
  app.synth();
}

/** Loaded only where the CDK's own rules are not switched off: it takes as long as the synthesis. */
function checkSecurity(app: App): void {
  const nag: { readonly AwsSolutionsChecks: typeof AwsSolutionsChecks } = require('cdk-nag/lib/packs/aws-solutions');
  Validations.of(app).addPlugins(new nag.AwsSolutionsChecks(app));
}

try {
  main();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  for (const fault of error.faults) process.stderr.write(`${formatFault(fault)}\n`);
  process.exitCode = 2;
}

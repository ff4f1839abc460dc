import { Annotations, App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
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
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  if (settings.clients.length === 0) {
    Annotations.of(stack).addWarningV2(
      'microcosm:nobody-admitted',
      'The edge will admit nobody. Deploy with -c clients=<your address>/32 to send traffic.',
    );
  }
  app.synth();
}

try {
  main();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  for (const fault of error.faults) process.stderr.write(`${formatFault(fault)}\n`);
  process.exitCode = 2;
}

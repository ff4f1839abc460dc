import { readdirSync } from 'node:fs';
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { writeHostFiles } from '../lib/aws/host-files';
import { MicrocosmStack } from '../lib/aws/microcosm-stack';
import { acknowledge } from '../lib/aws/security-checks';
import { readSettings } from '../lib/aws/settings';
import { resolve } from '../lib/model/resolve';
import type { TopologySpec } from '../lib/model/spec';

/** Synthesises as many services as the first argument says, into the folder of the second; prints time and memory. */
const count = Number(process.argv[2]);
const services = Object.fromEntries(
  Array.from({ length: count }, (_, i) => {
    const callees = [2 * i + 1, 2 * i + 2, 3 * i + 7].filter((j) => j < count);
    return [`s${i}`, { edge: i === 0, calls: [...new Set(callees)].map((j) => `s${j}`) }];
  }),
);
const topology = resolve({ services } as TopologySpec, 'generated');
const started = process.hrtime.bigint();
const app = new App({ outdir: process.argv[3] });
const settings = readSettings((key) => (key === 'topology' ? 'generated' : undefined));
const stack = new MicrocosmStack(app, { topology, settings, hostFiles: writeHostFiles(app.outdir) });
acknowledge(stack, { topology: topology.name, email: false, imageTable: true, faults: false });
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
app.synth();
const seconds = Number(process.hrtime.bigint() - started) / 1e9;
const megabytes = Math.round(process.resourceUsage().maxRSS / 1024);
const templates = readdirSync(app.outdir).filter((name) => name.endsWith('.template.json')).length;
process.stdout.write(`${JSON.stringify({ seconds, megabytes, templates })}\n`);
if (process.exitCode) throw new Error('the rules found something');

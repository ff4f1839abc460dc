import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command, ROOT, succeed } from './command';
import type { ProofGroup, Scene } from './proof';
import { python } from './python';

const CDK = join(ROOT, 'node_modules', '.bin', 'cdk');
const CERTIFICATE = 'arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d-0000-4000-8000-0123456789ab';

const FAULTS = ['faults=true', 'publicFaults=true', 'operator=arn:aws:iam::123456789012:role/operator'];

const SEVERAL_EDGES = {
  name: 'twofold',
  services: {
    web: { edge: true, replicas: 2, calls: ['store'] },
    admin: { edge: true, calls: ['store'] },
    store: {},
  },
};

/** Offline, without credentials. */
async function lint(context: readonly string[], { cleanup, note }: Scene): Promise<void> {
  const programs = await python();
  const output = mkdtempSync(join(tmpdir(), 'microcosm-cdk-'));
  cleanup(() => rmSync(output, { recursive: true, force: true }));
  const args = context.flatMap((each) => ['-c', each]);
  await succeed(CDK, ['synth', '--quiet', '--no-lookups', ...args, '--output', output]);
  const templates = readdirSync(output)
    .filter((name) => name.endsWith('.template.json'))
    .map((name) => join(output, name));
  assert.ok(templates.length > 0);
  const { code, stdout, stderr } = await command(join(programs, 'cfn-lint'), [...templates, '--format', 'parseable']);
  assert.equal(code, 0, `${stdout}${stderr}`);
  note(`${templates.length === 1 ? 'one template' : `${templates.length} templates`}, no finding`);
}

export const templateProofs: ProofGroup = {
  title: 'cfn-lint on the synthesised templates',
  proofs: [
    {
      title: 'the templates of shop have no finding',
      run: (scene) => lint(['topology=shop', 'email=someone@example.com', 'clients=203.0.113.7/32'], scene),
    },
    {
      title: 'the templates of several edges behind a certificate, with live faults, have no finding',
      run: async (scene) => {
        const folder = mkdtempSync(join(tmpdir(), 'microcosm-'));
        scene.cleanup(() => rmSync(folder, { recursive: true, force: true }));
        const file = join(folder, 'twofold.json');
        writeFileSync(file, JSON.stringify(SEVERAL_EDGES));
        await lint([`topology=${file}`, `certificate=${CERTIFICATE}`, 'clients=203.0.113.7/32', ...FAULTS], scene);
      },
    },
  ],
};

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/**
 * What a synthesis costs: `cdk synth -c topology=shop` against an empty app under the same command line and flags, with
 * and without the rules. Those are the CDK's own, which check each template by schema and which the empty app has too, and
 * cdk-nag, which is this app's choice; `CDK_VALIDATION=false` switches both off. Then 100 against 1,000 services in one
 * process, with its memory.
 *
 *   npx ts-node bench/synth.ts [--rounds 3] [--services 1000]
 */
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, services: { type: 'string', default: '1000' } },
});
const rounds = Number(values.rounds);
const root = join(__dirname, '..');
const work = mkdtempSync(join(tmpdir(), 'microcosm-bench-'));
const empty = 'bench/synth-empty-app.ts';
const generated = join(root, 'bench', 'synth-generated-app.ts');
const { app, context }: { readonly app: string; readonly context: object } = JSON.parse(
  readFileSync(join(root, 'cdk.json'), 'utf8'),
);

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;

function cdkSynth(command: string, rules: boolean): number {
  const started = process.hrtime.bigint();
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules', 'aws-cdk', 'bin', 'cdk'),
      ...['synth', '-q', '--no-lookups', '--output', join(work, 'out'), '--app', command],
      ...['-c', 'topology=shop', '-c', 'clients=203.0.113.7/32'],
    ],
    { cwd: root, encoding: 'utf8', env: { ...process.env, ...(!rules && { CDK_VALIDATION: 'false' }) } },
  );
  if (status !== 0) throw new Error(stderr);
  return Number(process.hrtime.bigint() - started) / 1e9;
}

/** The empty app is started as `cdk.json` starts this one, and once more as TypeScript apps of the CDK usually are. */
const [alike, usual] = [app.replace('bin/microcosm.ts', empty), `node -r ts-node/register ${empty}`];
const ways = {
  'empty app': () => cdkSynth(alike, true),
  'empty app, no rules': () => cdkSynth(alike, false),
  'empty app, by ts-node': () => cdkSynth(usual, true),
  shop: () => cdkSynth(app, true),
  'shop, no rules': () => cdkSynth(app, false),
};
for (const run of Object.values(ways)) run(); // fills the caches
const seconds: Record<string, number[]> = {};
for (let round = 0; round < rounds; round++) {
  for (const [name, run] of Object.entries(ways)) {
    seconds[name] ??= [];
    seconds[name].push(run());
  }
}
rmSync(join(root, 'node_modules', '.cache', 'microcosm'), { recursive: true, force: true });
const cold = cdkSynth(app, true);
const of = (name: keyof typeof ways): number => median(seconds[name] ?? []);
for (const name of Object.keys(ways) as (keyof typeof ways)[]) {
  process.stdout.write(`${name.padEnd(22)} ${of(name).toFixed(2)} s\n`);
}
const ratio = (a: keyof typeof ways, b: keyof typeof ways): string => (of(a) / of(b)).toFixed(2);
const rules = (name: 'shop' | 'empty app'): string => (of(name) - of(`${name}, no rules`)).toFixed(2);
process.stdout.write(
  `shop takes ${ratio('shop, no rules', 'empty app, no rules')} times the empty app without rules, ` +
    `${ratio('shop', 'empty app')} times with all of them ` +
    `(${ratio('shop', 'empty app, by ts-node')} times one that ts-node starts)\n` +
    `the rules take ${rules('shop')} s of shop's time (the CDK's own, and cdk-nag), ` +
    `${rules('empty app')} s of the empty app's (the CDK's own)\n` +
    `the first synthesis after a change of everything, shop: ${cold.toFixed(2)} s\n\n`,
);

const sizes = [Number(values.services) / 10, Number(values.services)];
const runs = sizes.map((services) => {
  const results = Array.from({ length: Math.min(rounds, 3) }, () => {
    const out = join(work, `generated-${services}`);
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['-r', 'ts-node/register', generated, String(services), out],
      { cwd: root, encoding: 'utf8', env: { ...process.env, CDK_CONTEXT_JSON: JSON.stringify(context) } },
    );
    rmSync(out, { recursive: true, force: true });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as { seconds: number; megabytes: number; templates: number };
  });
  return {
    services,
    seconds: median(results.map((result) => result.seconds)),
    megabytes: median(results.map((result) => result.megabytes)),
    templates: results[0]?.templates ?? 0,
  };
});
for (const { services, seconds: time, megabytes, templates } of runs) {
  process.stdout.write(
    `${services} services: ${time.toFixed(1)} s, ${megabytes} MB, ${templates} templates, rules on\n`,
  );
}
const [small, large] = runs;
if (small && large) {
  process.stdout.write(`ten times the services take ${(large.seconds / small.seconds).toFixed(1)} times the time\n`);
}
rmSync(work, { recursive: true, force: true });

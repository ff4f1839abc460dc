import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withoutGaps } from './emulator-gaps';

/** The product's own app, whose templates are then fitted to the emulator. The CDK's command line runs it. */
require('../../bin/microcosm');

const folder = process.env.CDK_OUTDIR ?? 'cdk.out';
for (const name of readdirSync(folder)) {
  if (!name.endsWith('.template.json')) continue;
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(withoutGaps(JSON.parse(readFileSync(path, 'utf8')))));
}

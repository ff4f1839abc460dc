import { readFileSync } from 'node:fs';
import { askControl } from '../../lib/local/control-client';

/** Asks a node's control interface from within a host's network namespace: the question comes by stdin, as JSON. */
async function main(): Promise<void> {
  const { port, purpose, scope, body } = JSON.parse(readFileSync(0, 'utf8'));
  process.stdout.write(JSON.stringify(await askControl(port, purpose, scope, body)));
}

void main();

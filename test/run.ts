import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/**
 * Runs the test files given (all of them when none is) and closes with the line `N passed, N failed`, counted from
 * the runner's TAP output; a file that ends without a test counts as failed.
 */
const ava = spawn(
  process.execPath,
  [join(__dirname, '..', 'node_modules', 'ava', 'entrypoints', 'cli.mjs'), '--tap', ...process.argv.slice(2)],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);

let passed = 0;
let failed = 0;
let skipped = 0;

createInterface({ input: ava.stdout }).on('line', (line) => {
  const skippedHere = /^ok .*# (SKIP|TODO)/.test(line);
  if (skippedHere) skipped += 1;
  else if (/^ok /.test(line)) passed += 1;
  else if (/^not ok /.test(line)) failed += 1;
  else if (/^(TAP version|1\.\.|# (tests|pass|fail|skip))/.test(line)) return;
  const result = /^(not ok|ok) \d+ - (.*)$/.exec(line);
  if (result) process.stdout.write(`${result[1] === 'ok' ? 'ok  ' : 'FAIL'}  ${result[2]}\n`);
  else if (line.trim() !== '') process.stdout.write(`${line}\n`);
});

ava.on('close', (code) => {
  if (code !== 0 && failed === 0) failed = 1;
  process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  process.exitCode = code === 0 && passed > 0 ? 0 : 1;
});

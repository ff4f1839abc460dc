import { agentProofs } from './agent.proof';
import { deploymentProofs } from './deployment.proof';
import { hostProofs } from './host.proof';
import { logsProofs } from './logs.proof';
import { CannotRun, type Proof, type ProofGroup } from './proof';
import { templateProofs } from './template.proof';

/**
 * Runs the proofs that need no AWS account, all of them or those of the groups named, and closes with
 * `N passed, N failed`, and `, N could not run` where that is so.
 */
const GROUPS: Readonly<Record<string, ProofGroup>> = {
  agent: agentProofs,
  template: templateProofs,
  deployment: deploymentProofs,
  logs: logsProofs,
  host: hostProofs,
};

async function main(names: readonly string[]): Promise<void> {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const unknown = names.filter((name) => !(name in GROUPS));
  if (unknown.length > 0) {
    process.stderr.write(`${unknown.join(', ')}: no such group; there are ${Object.keys(GROUPS).join(', ')}\n`);
    process.exitCode = 2;
    return;
  }
  const count = { passed: 0, failed: 0, absent: 0 };
  for (const [name, group] of Object.entries(GROUPS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    process.stdout.write(`# ${group.title}\n`);
    try {
      for (const proof of group.proofs) count[await prove(proof)] += 1;
    } finally {
      await group.close?.();
    }
  }
  const { passed, failed, absent } = count;
  process.stdout.write(`\n${passed} passed, ${failed} failed${absent > 0 ? `, ${absent} could not run` : ''}\n`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

async function prove({ title, run }: Proof): Promise<'passed' | 'failed' | 'absent'> {
  const undo: (() => void | Promise<void>)[] = [];
  const notes: string[] = [];
  const startedAt = performance.now();
  let problem: unknown;
  try {
    await run({ cleanup: (last) => undo.push(last), note: (text) => notes.push(text) });
  } catch (error) {
    problem = error;
  }
  for (const last of undo.reverse()) {
    try {
      await last();
    } catch (error) {
      problem ??= error;
    }
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const absent = problem instanceof CannotRun ? problem : undefined;
  process.stdout.write(`${problem === undefined ? 'ok  ' : absent ? 'none' : 'FAIL'}  ${title} (${seconds} s)\n`);
  for (const note of notes) process.stdout.write(`        ${note}\n`);
  if (absent) process.stdout.write(`        could not run: ${absent.message}\n`);
  else if (problem !== undefined) {
    const text = problem instanceof Error ? (problem.stack ?? problem.message) : String(problem);
    process.stdout.write(`${text.replaceAll(/^/gm, '        ')}\n`);
  }
  return problem === undefined ? 'passed' : absent ? 'absent' : 'failed';
}

void main(process.argv.slice(2));

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeHostFiles } from '../../lib/aws/host-files';
import { checkAgentConfiguration } from './agent-rules';
import type { ProofGroup, Scene } from './proof';

type Values = Record<string, string>;

/** As `setup.sh` fills it in; the booted hosts' own is checked with them. */
function configured({ cleanup }: Scene): Record<string, never> {
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-'));
  cleanup(() => rmSync(folder, { recursive: true, force: true }));
  const files = writeHostFiles(folder, { program: '// none' }).folder;
  const values: Values = {
    INSTANCE: 'web-1',
    SERVICE: 'web',
    LOG_GROUP: '/microcosm/shop',
    METRICS_NAMESPACE: 'Microcosm/shop',
  };
  const filled = readFileSync(join(files, 'agent.json'), 'utf8').replaceAll(
    /@([A-Z_]+)@/g,
    (all, name) => values[name] ?? all,
  );
  return JSON.parse(filled);
}

export const agentProofs: ProofGroup = {
  title: "The CloudWatch agent's configuration",
  proofs: [
    {
      title: 'it keeps the rules of the published schema, and every placeholder is one that the agent fills in',
      run: async (scene) => assert.deepEqual(checkAgentConfiguration(configured(scene)), []),
    },
    {
      title: 'the rules find what breaks them',
      run: async (scene) => {
        const good = JSON.stringify(configured(scene));
        const faults = (from: string | RegExp, to: string): number => {
          const bad = good.replace(from, to);
          assert.notEqual(bad, good);
          return checkAgentConfiguration(JSON.parse(bad)).length;
        };
        assert.equal(faults('{instance_id}', '{instance}'), 1);
        assert.equal(faults('"file_path"', '"path"'), 2);
        assert.equal(faults('"force_flush_interval":5', '"force_flush_interval":0'), 1);
        assert.equal(faults('"timezone":"UTC"', '"timezone":"Europe/Berlin"'), 1);
        assert.equal(faults('/microcosm/shop', '@LOG_GROUP@'), 1);
      },
    },
  ],
};

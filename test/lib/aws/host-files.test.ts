import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { HOST, HOST_BOUNDS } from '../../../lib/aws/host';
import { writeHostFiles } from '../../../lib/aws/host-files';
import { ENVIRONMENT, PORTS, RESERVED_PATHS, STOP_BOUND_MS } from '../../../lib/model/contract';

const run = promisify(execFile);
const parent = mkdtempSync(join(tmpdir(), 'microcosm-host-'));
const { folder, hash } = writeHostFiles(parent, { program: 'program' });
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

test('the same sources give the same hash, and another program another one', (t) => {
  t.is(writeHostFiles(parent, { program: 'program' }).hash, hash);
  t.not(writeHostFiles(parent, { program: 'changed' }).hash, hash);
});

test('every script parses, and no placeholder is left for anything but the host to fill in', async (t) => {
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.sh')) await t.notThrowsAsync(run('bash', ['-n', join(folder, name)]), name);
    const left = read(name).match(/@[A-Z_]+@/g) ?? [];
    const filledByHost = new Set(['@INSTANCE@', '@LOG_GROUP@', '@METRICS_NAMESPACE@']);
    t.deepEqual(
      left.filter((placeholder) => !filledByHost.has(placeholder) && name !== 'setup.sh'),
      [],
      name,
    );
    for (const placeholder of left) t.true(read('setup.sh').includes(`s|${placeholder}|`), placeholder);
  }
});

test('the scripts have the names, ports and paths of the contract', async (t) => {
  const { stdout } = await run(
    'bash',
    ['-c', '. ./contract.sh; echo "$ENV_SLICE $ENV_MESH_PORT $MESH_PORT $EDGE_PORT $READY_PATH $LOG_FILE"'],
    { cwd: folder },
  );
  const { slice, meshPort } = ENVIRONMENT;
  t.is(stdout.trim(), `${slice} ${meshPort} ${PORTS.mesh} ${PORTS.edge} ${RESERVED_PATHS.ready} ${HOST.log}`);
});

test('the agent tails the event log, to a stream an instance, and reads the time where each line begins', (t) => {
  const { logs, agent } = JSON.parse(read('agent.json'));
  const [file, ...others] = logs.logs_collected.files.collect_list;
  t.deepEqual(others, []);
  t.is(file.file_path, HOST.log);
  t.is(file.log_stream_name, '@INSTANCE@/{instance_id}');
  t.is(file.timestamp_format, '%Y-%m-%dT%H:%M:%S.%f');
  t.is(file.timezone, 'UTC');
  t.is(file.retention_in_days, undefined, 'the stack owns the group and its retention');
  t.is(agent.run_as_user, 'cwagent');
  t.is<string, string>(HOST.agentState, `/opt/aws/amazon-cloudwatch-agent/logs/state/${HOST.log.replaceAll('/', '_')}`);
});

test('the unit names the program, waits longer than the node drains, and stays without privileges', (t) => {
  const unit = read('microcosm.service');
  t.regex(unit, new RegExp(`^ExecStart=${HOST.nodeBinary} \\$NODE_FLAGS ${HOST.programFolder}/node.js$`, 'm'));
  t.regex(unit, new RegExp(`^TimeoutStopSec=${HOST_BOUNDS.stopSeconds}$`, 'm'));
  t.true(HOST_BOUNDS.stopSeconds * 1_000 > STOP_BOUND_MS + 5_000);
  for (const setting of ['User=microcosm', 'NoNewPrivileges=yes', 'ProtectSystem=strict', 'Restart=always']) {
    t.true(unit.includes(`\n${setting}\n`), setting);
  }
});

/** The keeper's folder, with files of its own in place of the host's. */
async function keeper({ bytes, state, backlog }: { bytes: number; state: string; backlog: number }) {
  const place = mkdtempSync(join(tmpdir(), 'microcosm-keeper-'));
  const log = join(place, 'events.log');
  writeFileSync(log, Buffer.alloc(bytes, 'x'));
  writeFileSync(join(place, 'state'), state);
  writeFileSync(join(place, 'systemctl'), `#!/bin/sh\necho "$@" >>${place}/systemctl.log\n`, { mode: 0o755 });
  writeFileSync(
    join(place, 'contract.sh'),
    `LOG_FILE=${log}\nAGENT_STATE=${place}/state\nKEEP_BYTES=65536\nBACKLOG_BYTES=${backlog}\n`,
  );
  const script = read('log-keeper.sh').replaceAll('/run/', `${place}/`);
  writeFileSync(join(place, 'log-keeper.sh'), script, { mode: 0o755 });
  const once = () => run('bash', [join(place, 'log-keeper.sh')], { env: { PATH: `${place}:${process.env.PATH}` } });
  return {
    once,
    log,
    deliver: (text: string) => writeFileSync(join(place, 'state'), text),
    held: () => statSync(log).blocks * 512,
    size: () => statSync(log).size,
    commands: () => {
      try {
        return readFileSync(join(place, 'systemctl.log'), 'utf8').trim().split('\n');
      } catch {
        return [];
      }
    },
  };
}

const MIB = 1024 ** 2;

test('the keeper frees what the agent has delivered, and the file keeps its length and its end', async (t) => {
  const { once, held, size, log, commands } = await keeper({
    bytes: 8 * MIB,
    state: `${6 * MIB}\n/var/log/events.log\n0-${6 * MIB}`,
    backlog: 100 * MIB,
  });
  await once();
  t.is(size(), 8 * MIB);
  t.true(held() >= 2 * MIB && held() < 3 * MIB, `${held()}`);
  const content = readFileSync(log);
  t.true(content.subarray(6 * MIB - 65_536).every((byte) => byte === 0x78));
  t.is(content[0], 0);
  t.deepEqual(commands(), []);
});

test('the keeper keeps what lies behind a gap in the delivered ranges', async (t) => {
  const gap = await keeper({
    bytes: 4 * MIB,
    state: `${4 * MIB}\n/var/log/events.log\n0-${MIB},${2 * MIB}-${4 * MIB}`,
    backlog: 100 * MIB,
  });
  await gap.once();
  t.true(
    readFileSync(gap.log)
      .subarray(MIB)
      .every((byte) => byte === 0x78),
  );
  const late = await keeper({
    bytes: 2 * MIB,
    state: `${2 * MIB}\n/var/log/events.log\n${MIB}-${2 * MIB}`,
    backlog: 100 * MIB,
  });
  await late.once();
  t.is(late.held(), 2 * MIB);
});

test('a backlog at its bound stops the node once, and starts it once when half of it is gone', async (t) => {
  const { once, deliver, commands } = await keeper({ bytes: 8 * MIB, state: '', backlog: 4 * MIB });
  await once();
  await once();
  t.deepEqual(commands(), ['stop microcosm.service']);
  deliver(`${7 * MIB}\n/var/log/events.log\n0-${7 * MIB}`);
  await once();
  await once();
  t.deepEqual(commands(), ['stop microcosm.service', 'start microcosm.service']);
});

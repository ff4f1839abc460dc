import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { userData } from '../../../lib/aws/user-data';

/** Runs the script with its folders moved into a temporary one and a stand-in for the `aws` command. */
async function boot(t: ExecutionContext, aws: string) {
  const place = mkdtempSync(join(tmpdir(), 'microcosm-boot-'));
  const signals: { method?: string; contentType?: string; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      signals.push({ method: request.method, contentType: request.headers['content-type'], body });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  writeFileSync(join(place, 'aws'), `#!/bin/bash\n${aws}\n`, { mode: 0o755 });
  const script = userData({
    region: 'eu-central-1',
    instance: 'catalog-2',
    service: 'catalog',
    topology: 'shop',
    edge: false,
    logGroup: '/microcosm/shop',
    metricsNamespace: 'Microcosm/shop',
    files: 'bucket/files.zip',
    slice: 'bucket/slice.json',
    faultKey: null,
    publicFaults: false,
    signalUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/signal?a=b&c=d`,
  })
    .replaceAll('/opt/microcosm', join(place, 'opt'))
    .replaceAll('/etc/microcosm', join(place, 'etc'))
    .replaceAll('sleep 5', 'sleep 0');
  const code = await new Promise<number>((resolve) => {
    const child = execFile('bash', ['-c', script], { env: { PATH: `${place}:${process.env.PATH}`, PLACE: place } });
    child.on('close', (status) => resolve(status ?? -1));
  });
  return { place, signals, code };
}

test('a host fetches its files and its slice, and hands over to the set-up with its parameters', async (t) => {
  const { place, signals, code } = await boot(
    t,
    `case $4 in
      s3://bucket/files.zip) cd "$PLACE" && echo 'echo $INSTANCE $SERVICE $TOPOLOGY $EDGE $LOG_GROUP >"$PLACE/done"' >setup.sh && python3 -m zipfile -c "$OLDPWD/$5" setup.sh ;;
      s3://bucket/slice.json) echo '{}' >"$5" ;;
    esac`,
  );
  t.is(code, 0);
  t.is(readFileSync(join(place, 'done'), 'utf8').trim(), 'catalog-2 catalog shop 0 /microcosm/shop');
  t.true(existsSync(join(place, 'etc', 'slice.json')));
  t.deepEqual(signals, []);
});

test('a host that can not fetch says so to the stack', async (t) => {
  const { signals, code } = await boot(t, 'echo AccessDenied >&2; exit 1');
  t.not(code, 0);
  t.true(signals.length > 0);
  const [{ method, contentType, body }] = signals as [(typeof signals)[number]];
  t.is(method, 'PUT');
  t.is(contentType, undefined, 'the address is signed for an empty content type');
  const signal = JSON.parse(body);
  t.like(signal, { Status: 'FAILURE', UniqueId: 'catalog-2' });
  t.regex(signal.Reason, /^catalog-2, phase fetch: line \d+ ended with 1$/);
});

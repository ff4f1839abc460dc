import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { command, type Finished, succeed } from './command';
import { CannotRun } from './proof';
import { CACHE } from './python';

const TREE = join(CACHE, 'host-tree');
const RELEASE = 'bookworm';
const INCLUDED = 'systemd,systemd-sysv,dbus,chrony,curl,python3,iproute2,procps,ca-certificates';
const NEEDED = { debootstrap: 'debootstrap', 'systemd-nspawn': 'systemd-container', ip: 'iproute2' };

/** The file tree of a small Linux with systemd, chrony, curl and Python, made on first use. Wants root. */
export async function hostTree(): Promise<string> {
  if (process.platform !== 'linux') throw new CannotRun('hosts are booted on Linux only');
  if (process.getuid?.() !== 0) throw new CannotRun('booting a host takes root');
  const lacking: string[] = [];
  for (const [program, debian] of Object.entries(NEEDED)) {
    if ((await command('sh', ['-c', `command -v ${program}`])).code !== 0) lacking.push(debian);
  }
  if (lacking.length > 0) {
    const install = `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${lacking.join(' ')}`;
    const { code, stderr } = await command('sh', ['-c', install], { env: { DEBIAN_FRONTEND: 'noninteractive' } });
    if (code !== 0) throw new CannotRun(`${lacking.join(', ')} can't be installed by apt: ${stderr.slice(-400)}`);
  }
  if (existsSync(TREE)) return TREE;
  mkdirSync(CACHE, { recursive: true });
  const making = `${TREE}.making`;
  rmSync(making, { recursive: true, force: true });
  const args = ['--variant=minbase', `--include=${INCLUDED}`, RELEASE, making, 'http://deb.debian.org/debian'];
  const { code, stdout, stderr } = await command('debootstrap', args);
  if (code !== 0) throw new CannotRun(`debootstrap: ${(stdout + stderr).slice(-600)}`);
  renameSync(making, TREE);
  return TREE;
}

export interface BootedHost {
  /** Runs a command on the host, as root. */
  run(script: string): Promise<Finished>;
  stop(): Promise<void>;
  console(): string;
}

export interface HostSettings {
  readonly name: string;
  /** Name of a network namespace. */
  readonly network: string;
  /** Content of files that the host has beside the tree's, by path; scripts begin with `#!`. */
  readonly files: Readonly<Record<string, string>>;
  /** Files of this machine that it sees, by path there. */
  readonly mounts: Readonly<Record<string, string>>;
  /** A folder for what belongs to this host here. */
  readonly folder: string;
}

/** Boots systemd as process 1 over the tree; what the host writes is in memory and gone with it. */
export async function bootHost({ name, network, files, mounts, folder }: HostSettings): Promise<BootedHost> {
  const tree = await hostTree();
  const binds: string[] = [];
  for (const [path, content] of Object.entries(files)) {
    const here = join(folder, 'files', path);
    mkdirSync(dirname(here), { recursive: true });
    writeFileSync(here, content, { mode: content.startsWith('#!') ? 0o755 : 0o644 });
    binds.push(`--bind-ro=${here}:${path}`);
  }
  for (const [path, here] of Object.entries(mounts)) binds.push(`--bind-ro=${here}:${path}`);
  const consoleFile = join(folder, 'console.log');
  const output = openSync(consoleFile, 'a');
  const args = ['--quiet', `--directory=${tree}`, '--boot', '--volatile=overlay', '--register=no', '--keep-unit'];
  args.push(`--network-namespace-path=/run/netns/${network}`, '--resolv-conf=off', '--timezone=off');
  args.push(`--machine=${name}`, ...binds);
  const child = spawn('systemd-nspawn', args, { stdio: ['ignore', output, output] });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const console = (): string => readFileSync(consoleFile, 'utf8');
  const leader = await firstProcess(child, console);
  const run = (script: string): Promise<Finished> =>
    command(
      'nsenter',
      ['--target', leader, '--mount', '--uts', '--ipc', '--net', '--pid', '--', 'bash', '-c', script],
      {
        timeoutMs: 120_000,
      },
    );
  const stop = async (): Promise<void> => {
    if (child.exitCode === null) {
      // The first asks the host's own systemd to power off, the second ends it.
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGTERM'), 15_000);
      const never = setTimeout(() => child.kill('SIGKILL'), 25_000);
      await ended;
      clearTimeout(late);
      clearTimeout(never);
    }
  };
  for (let i = 0; ; i++) {
    if ((await run('systemctl is-system-running --quiet || systemctl is-active --quiet basic.target')).code === 0)
      break;
    if (i === 100 || child.exitCode !== null) {
      await stop();
      throw new CannotRun(`systemd does not boot here: ${console().slice(-1_000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return { run, stop, console };
}

/** Process id here of the host's process 1. */
async function firstProcess(child: ChildProcess, console: () => string): Promise<string> {
  for (let i = 0; i < 200; i++) {
    const { stdout } = await command('sh', ['-c', `cat /proc/${child.pid}/task/*/children 2>/dev/null`]);
    for (const pid of stdout.trim().split(/\s+/)) {
      if (pid !== '' && /^NSpid:.*\s1$/m.test(statusOf(pid))) return pid;
    }
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  child.kill('SIGKILL');
  throw new CannotRun(`systemd-nspawn does not start here: ${console().slice(-1_000)}`);
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

/** A network namespace with a bridge, and one namespace a host behind it; none of them reaches this machine's network. */
export async function hostNetwork(prefix: string, world: readonly string[], hosts: Readonly<Record<string, string>>) {
  const center = `${prefix}w`;
  const names = [center];
  const ip = (...args: string[]) => succeed('ip', args);
  const remove = async (): Promise<void> => {
    for (const name of names) await command('ip', ['netns', 'delete', name]);
  };
  try {
    await ip('netns', 'add', center);
    await ip('-n', center, 'link', 'set', 'lo', 'up');
    await ip('-n', center, 'link', 'add', 'hub', 'type', 'bridge');
    for (const address of world) await ip('-n', center, 'address', 'add', address, 'dev', 'hub');
    await ip('-n', center, 'link', 'set', 'hub', 'up');
    let index = 0;
    for (const [name, address] of Object.entries(hosts)) {
      const port = `port${index++}`;
      names.push(name);
      await ip('netns', 'add', name);
      await ip('-n', center, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
      await ip('-n', center, 'link', 'set', port, 'master', 'hub', 'up');
      await ip('-n', name, 'address', 'add', address, 'dev', 'eth0');
      await ip('-n', name, 'link', 'set', 'lo', 'up');
      await ip('-n', name, 'link', 'set', 'eth0', 'up');
      await ip('-n', name, 'route', 'add', '169.254.169.0/24', 'dev', 'eth0');
    }
  } catch (error) {
    await remove();
    throw new CannotRun(`network namespaces: ${(error as Error).message}`);
  }
  return { center, remove };
}

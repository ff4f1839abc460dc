// Stands in for the `aws` command: reads a secret out of a file, and forwards ports for real. As the true one does, it leaves the
// forwarding to a plugin, a process of its own, and ignores the signals that end that, from before the plugin is there.
// All of it ends with the test, also with one that is cut off.
const { spawn } = require('node:child_process');
const { appendFileSync, readFileSync } = require('node:fs');
const { connect, createServer } = require('node:net');

const args = process.argv.slice(2);
const option = (name) => args[args.indexOf(name) + 1];
const { secret, key, ports, log, plugin, slowMs, owner } = JSON.parse(readFileSync(process.env.AWS_STAND_IN, 'utf8'));
appendFileSync(`${log}.pids`, `${process.pid}\n`);

setInterval(() => {
  try {
    process.kill(owner, 0);
  } catch {
    process.exit(1);
  }
}, 500).unref();

function forward(machine, from, to) {
  const server = createServer((client) => {
    const host = connect(ports[machine][to], '127.0.0.1');
    client.pipe(host).pipe(client);
    client.on('error', () => host.destroy());
    host.on('error', () => client.destroy());
  });
  server.listen(from, '127.0.0.1', () => process.stdout.write(`Port ${from} opened\nWaiting for connections...\n`));
  // Nobody may be left to read it.
  process.stdout.on('error', () => {});
  process.on('SIGINT', () => process.exit(0));
}

if (args[0] === 'plugin') forward(args[1], Number(args[2]), args[3]);
else {
  appendFileSync(log, `${JSON.stringify(args)}\n`);
  if (args[0] === 'secretsmanager') {
    if (option('--secret-id') === secret) process.stdout.write(`${key}\n`);
    else {
      process.stderr.write('\nAn error occurred (AccessDeniedException): not authorized\n');
      process.exit(254);
    }
  } else if (!plugin) {
    process.stderr.write(
      '\nSessionManagerPlugin is not found. Please refer to SessionManager Documentation here: ...\n',
    );
    process.exit(255);
  } else if (!ports[option('--target')]) {
    process.stderr.write('\nAn error occurred (TargetNotConnected): the instance is not connected.\n');
    process.exit(254);
  } else {
    process.on('SIGINT', () => {});
    const { localPortNumber, portNumber } = JSON.parse(option('--parameters'));
    const way = [option('--target'), localPortNumber[0], portNumber[0]];
    setTimeout(() => {
      const child = spawn(process.execPath, [__filename, 'plugin', ...way], { stdio: 'inherit' });
      child.on('exit', (code) => process.exit(code));
    }, slowMs);
  }
}

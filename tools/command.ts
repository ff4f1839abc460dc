import { Command, CommanderError } from 'commander';
import { formatFault, UserError } from '../lib/model/user-error';

/** What a command ends with: 0 all well, 1 the thing asked about is wrong, 2 used wrongly. */
export type ExitCode = 0 | 1 | 2;

/**
 * Runs a command line: parses it, prints a user's mistakes as one readable line each on stderr (exit 2, no stack
 * trace), lets a broken pipe (`| head`) end it quietly, and leaves with the code that `action` gives.
 *
 * @param define adds arguments, options and help to the program and says what to do with them
 */
export async function runCommand(define: (program: Command, finish: (code: ExitCode) => void) => void): Promise<void> {
  endQuietlyOnBrokenPipe();
  let exitCode: ExitCode = 0;
  const program = new Command().exitOverride().showHelpAfterError('(--help shows the usage)');
  define(program, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) exitCode = error.exitCode === 0 ? 0 : 2;
    else if (error instanceof UserError) {
      for (const fault of error.faults) process.stderr.write(`${formatFault(fault)}\n`);
      exitCode = 2;
    } else throw error;
  }
  process.exitCode = exitCode;
}

/** What else can't be written is told in a line. */
function endQuietlyOnBrokenPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    const fault = { where: 'standard output', problem: error.message, remedy: 'write where there is room' };
    process.stderr.write(`${formatFault(fault)}\n`);
    process.exit(2);
  });
}

/** One thing wrong with what a user gave: where it stands, the value met, and what to do about it. */
export interface Fault {
  readonly where: string;
  readonly problem: string;
  readonly remedy: string;
}

/** Bad input. Commands print its faults, a line each, without a stack trace, and exit with 2. */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[] | Fault) {
    const list = Array.isArray(faults) ? (faults as readonly Fault[]) : [faults as Fault];
    super(list.map(formatFault).join('\n'));
    this.faults = list;
  }
}

/** What `read` gives; undefined where it throws a `UserError`, whose faults then stand among those given. */
export function collectFaults<T>(faults: Fault[], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    faults.push(...error.faults);
    return undefined;
  }
}

/** `where: problem; remedy` */
export function formatFault({ where, problem, remedy }: Fault): string {
  return `${where}: ${problem}; ${remedy}`;
}

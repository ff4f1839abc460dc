/** A node that did not come up: what happened to its process, and what it said on stderr. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly instance: string;
  readonly reason: string;
  readonly stderr: string;

  constructor(instance: string, reason: string, stderr: string) {
    super(`${instance}: ${reason}${stderr ? `; it said:\n${stderr}` : ' and said nothing'}`);
    this.instance = instance;
    this.reason = reason;
    this.stderr = stderr;
  }
}

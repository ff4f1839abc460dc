/** One event as CloudWatch Logs hands it out. */
export interface LogRow {
  /** Milliseconds since 1970: the time that the event carries, and when it arrived. */
  readonly timestampMs: number;
  readonly ingestedMs: number | null;
  readonly message: string;
}

/** A stretch of time, both ends included, in milliseconds since 1970. */
export interface TimeRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Which records are wanted: of one run (`-` for the events of processes) or of any, and all or only manifest records. */
export interface RecordFilter {
  readonly run: string | null;
  readonly manifestOnly: boolean;
}

/**
 * Whether a line is what was asked for. Asked again on this side, because not everything that speaks the protocol
 * filters, and a filter on text may let a mention through.
 */
export function wantedBy({ run, manifestOnly }: RecordFilter): (message: string) => boolean {
  const ofRun = `"run":"${run}"`;
  return (message) =>
    (run === null || message.includes(ofRun)) &&
    (!manifestOnly || /"record":"(start|scenario|step|end)"/.test(message));
}

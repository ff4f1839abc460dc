/**
 * What the node asks of discovery and of an HTTP client. Each client and each way of discovery stands behind these, so
 * that steps, retries and events are the same whichever is chosen.
 */

/** One instance of a callee as discovery names it. */
export interface Instance {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

export interface Discovery {
  /**
   * The next instance of the service in turn. Those in `avoid` are left out (names), ejected ones come only when there
   * is no other; undefined when none is left or known. At once where it is known, else after a look-up.
   */
  choose(service: string, avoid: ReadonlySet<string>): Promise<Instance | undefined> | Instance | undefined;
  /** A connection to the instance failed, which counts towards its ejection. */
  failed(instance: Instance): void;
  succeeded(instance: Instance): void;
  /** Another topology calls other services; `check` looks for these from now on. */
  know(callees: readonly string[]): void;
  /** For `/readyz`: whether the resolver answers, and which callees do not resolve. */
  check(): Promise<{ readonly answers: boolean; readonly unresolved: readonly string[] }>;
  close(): void;
}

export interface OutgoingRequest {
  readonly instance: Instance;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
  /** Whole time the attempt may take, in milliseconds, above 0. */
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  /** Calls the attempt off, and closes its connection. */
  readonly signal?: AbortSignal | undefined;
}

export interface IncomingAnswer {
  readonly status: number;
  /** Names in lower case: at least `x-request-id`, `x-microcosm-clock` and `content-type` where the callee sent them. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/**
 * CONNECT: no byte was sent. RESET: the connection broke before the answer began. TIMEOUT: the time ended first.
 * BODY: the answer is cut short, larger than allowed, or breaks HTTP. CANCELLED: its `signal` called it off.
 */
export type CallErrorKind = 'CONNECT' | 'RESET' | 'TIMEOUT' | 'BODY' | 'CANCELLED';

/** An attempt without a usable answer. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly kind: CallErrorKind;

  constructor(kind: CallErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface HttpClient {
  /** Rejects with `CallError`, and with nothing else. Any status is an answer. */
  request(request: OutgoingRequest): Promise<IncomingAnswer>;
  close(): Promise<void>;
}

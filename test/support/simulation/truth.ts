/** What truly happened to one handled request. Times are true ones, in milliseconds since 1970. */
export interface TrueSpan {
  readonly requestId: string;
  readonly service: string;
  readonly instance: string;
  readonly endpoint: string;
  readonly place: string;
  readonly via: 'edge' | 'mesh' | 'queue';
  readonly startAt: number;
  /** When the answer was known; infinite where the process died first. */
  endAt: number;
  status: number;
  /** In the order sent; the work of an accepted `send` is the child of the span that answered 202. */
  readonly children: TrueSpan[];
}

export interface TrueFlow {
  readonly traceId: string;
  readonly key: string;
  /** What the client saw; undefined without an answer. */
  readonly status: number | undefined;
  /** Null where no node saw the request. */
  readonly root: TrueSpan | null;
}

import type { ErrorKind } from '../../lib/model/event';

/** Why a request is turned away, and with which status. */
export interface Refusal {
  readonly status: 400 | 403 | 404 | 405 | 413 | 503 | 504;
  readonly kind: ErrorKind;
  readonly message: string;
}

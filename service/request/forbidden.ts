import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { signToken, type TokenFault, type TokenPurpose, tokenFault } from '../../lib/model/token';
import { single } from './trace-headers';

/** Signs and verifies with the key of one deployment. The key leaves this closure in no other way. */
export interface Guard {
  /** Why the request may not, or undefined where it may. */
  refusal(token: string | undefined, purpose: TokenPurpose, body: string | Uint8Array): TokenFault | undefined;
  /** For the next hop; ends with the token that this one came by. */
  sign(purpose: TokenPurpose, body: string | Uint8Array, expiresAt: number): string;
}

export function guard(key: string, topology: string): Guard {
  return {
    refusal: (token, purpose, body) => tokenFault(token, key, { purpose, topology, body }, Date.now()),
    sign: (purpose, body, expiresAt) => signToken(key, { purpose, topology, body }, expiresAt),
  };
}

/** Who asked, for the log: the peer's address and, where a balancer stands between, the last one that it vouches for. */
export function whoAsked({ socket, headers }: IncomingMessage, behindBalancer: boolean): string {
  const peer = `${socket.remoteAddress ?? 'unknown'} port ${socket.remotePort ?? 0}`;
  const forwarded = behindBalancer ? single(headers['x-forwarded-for'])?.split(',').at(-1)?.trim() : undefined;
  return forwarded !== undefined && isIP(forwarded) !== 0 ? `${forwarded} by way of ${peer}` : peer;
}

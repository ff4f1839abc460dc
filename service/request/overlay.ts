import type { FaultRule } from '../../lib/model/fault';
import { type OpenedOverlay, openOverlay } from '../../lib/model/overlay';
import type { Via } from '../program';
import type { Access } from '../settings';
import type { Refusal } from './refusal';

/** What a request's overlay brings. */
export interface BroughtFaults {
  /** The rules for this service; undefined where there is none. */
  readonly rules: readonly FaultRule[] | undefined;
  /** All of them, as JSON. */
  readonly text: string;
}

export type Overlays = (text: string, via: Via) => BroughtFaults | Refusal;

/** Requests of one run bring the same few. */
const REMEMBERED = 32;

export function overlays(access: Access | undefined, topology: string, service: string): Overlays {
  const opened = new Map<string, Remembered>();

  return (text, via) => {
    if (!access) return forbidden('faults are not switched on here');
    if (via === 'edge' && !access.publicFaults) return forbidden('faults are not switched on at the edge');
    let known = opened.get(text);
    if (!known || ('rules' in known && known.expiresAt <= Date.now())) {
      opened.delete(text);
      known = remember(openOverlay(text, access.key, topology, Date.now()), service);
      if ('rules' in known) {
        if (opened.size >= REMEMBERED) opened.delete(opened.keys().next().value as string);
        opened.set(text, known);
      }
    }
    if ('refused' in known) return forbidden(known.refused);
    if ('mistake' in known) return { status: 400, kind: 'BAD_REQUEST', message: known.mistake };
    return known.brings;
  };
}

type Remembered =
  | Exclude<OpenedOverlay, { readonly rules: unknown }>
  | { readonly rules: unknown; readonly expiresAt: number; readonly brings: BroughtFaults };

function remember(opened: OpenedOverlay, service: string): Remembered {
  if (!('rules' in opened)) return opened;
  const own = opened.rules.filter((rule) => rule.service === service);
  return { ...opened, brings: { rules: own.length > 0 ? own : undefined, text: JSON.stringify(opened.rules) } };
}

function forbidden(reason: string): Refusal {
  return { status: 403, kind: 'FORBIDDEN', message: `overlay: ${reason}` };
}

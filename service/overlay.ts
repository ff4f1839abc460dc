import type { FaultRule } from '../lib/model/fault';
import { type OpenedOverlay, openOverlay } from '../lib/model/overlay';
import type { Refusal } from './errand';
import type { Via } from './handler';
import type { Access } from './settings';

/** The rules for this service that a request's overlay brings; undefined where it brings none for it. */
export type Overlays = (text: string, via: Via) => { readonly rules: readonly FaultRule[] | undefined } | Refusal;

/** Requests of one run bring the same few. */
const REMEMBERED = 32;

export function overlays(access: Access | undefined, topology: string, service: string): Overlays {
  const opened = new Map<string, OpenedOverlay>();

  return (text, via) => {
    if (!access) return forbidden('faults are not switched on here');
    if (via === 'edge' && !access.publicFaults) return forbidden('faults are not switched on at the edge');
    let known = opened.get(text);
    if (!known || ('rules' in known && known.expiresAt <= Date.now())) {
      opened.delete(text);
      known = openOverlay(text, access.key, topology, Date.now());
      if ('rules' in known) {
        if (opened.size >= REMEMBERED) opened.delete(opened.keys().next().value as string);
        opened.set(text, known);
      }
    }
    if ('refused' in known) return forbidden(known.refused);
    if ('mistake' in known) return { status: 400, kind: 'BAD_REQUEST', message: known.mistake };
    const rules = known.rules.filter((rule) => rule.service === service);
    return { rules: rules.length > 0 ? rules : undefined };
  };
}

function forbidden(reason: string): Refusal {
  return { status: 403, kind: 'FORBIDDEN', message: `overlay: ${reason}` };
}

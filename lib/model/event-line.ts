import { type Decision, type Event, type EventError, FIELD_ORDER, type InjectedFault } from './event';

/** How events are written where turning an object into JSON would cost too much: as text, field by field. */

/** Texts without a quote, a backslash or a control character stand in JSON as they are. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** The text as a JSON string. */
export function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

export function errorField({ kind, message }: EventError): string {
  return `,"error":{"kind":"${kind}","message":${quote(message)}}`;
}

export function faultField(fault: InjectedFault): string {
  return `,"fault":${JSON.stringify(fault)}`;
}

export function decisionField(decision: Decision): string {
  return `,"decision":${JSON.stringify(decision)}`;
}

const REQUEST_ID = /^[0-9a-f]{16}$/;

/** The other side's request id, as it came; nothing for what is none. */
export function peerRequestIdField(id: string | undefined): string {
  return id !== undefined && REQUEST_ID.test(id) ? `,"peerRequestId":"${id}"` : '';
}

/** Milliseconds as logged: to the microsecond. */
export function roundMs(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}

/** Fields that a process event adds to those which every line has, in the order of the line. */
export type ProcessFields = Pick<
  Event,
  'epoch' | 'slice' | 'runs' | 'clock' | 'dropped' | 'detail' | 'error' | 'fault'
>;

export function processFields(fields: ProcessFields): string {
  let text = '';
  for (const name of FIELD_ORDER) {
    const value = fields[name as keyof ProcessFields];
    if (value !== undefined) text += `,"${name}":${JSON.stringify(value)}`;
  }
  return text;
}

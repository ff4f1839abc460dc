import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  encodingLength,
  type OptAnswer,
  type Packet,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import type { DnsZone } from './dns-zone';

/** RFC 1035, section 4.1.1, and RFC 6891, section 9. */
const RCODE = { noError: 0, formErr: 1, nxDomain: 3, notImp: 4, refused: 5, badVers: 16 } as const;
type Rcode = (typeof RCODE)[keyof typeof RCODE];

const HEADER_BYTES = 12;
const RECURSION_DESIRED = 0x100;
/** Largest answer over UDP without EDNS (RFC 1035, section 4.2.1), and the largest this server sends with it. */
const PLAIN_UDP_BYTES = 512;
const EDNS_UDP_BYTES = 1232;
const TCP_BYTES = 65_535;

export type Transport = 'udp' | 'tcp';

/**
 * The answer to one DNS message, or undefined for what deserves none: a fragment without a header, and a response
 * (answering responses lets two servers talk to each other for ever). Never throws, whatever the bytes.
 */
export function answerQuery(zone: DnsZone, message: Buffer, transport: Transport): Buffer | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const id = message.readUInt16BE(0);
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) !== 0) return undefined;
  const echoed = flags & RECURSION_DESIRED;
  if (((flags >> 11) & 0xf) !== 0) return bare(id, (flags & 0x7800) | echoed, RCODE.notImp);
  const query = plainQuery(message);
  const [question] = query?.questions ?? [];
  const options = (query?.additionals ?? []).filter((record): record is OptAnswer => record.type === 'OPT');
  if (!query || !question || options.length > 1) return bare(id, echoed, RCODE.formErr);

  const [edns] = options;
  const name = question.name.toLowerCase();
  const limit =
    transport === 'tcp'
      ? TCP_BYTES
      : edns
        ? clamp(edns.udpPayloadSize, PLAIN_UDP_BYTES, EDNS_UDP_BYTES)
        : PLAIN_UDP_BYTES;
  const respond = (rcode: Rcode, records: Records, authoritative: boolean) =>
    withinLimit({ id, echoed, rcode, question, edns: edns !== undefined, authoritative }, records, limit);

  if (edns && edns.ednsVersion > 0) return respond(RCODE.badVers, NO_RECORDS, false);
  if ((question.class ?? 'IN') !== 'IN' || !zone.covers(name)) return respond(RCODE.refused, NO_RECORDS, false);
  if (question.type === 'AXFR' || question.type === 'IXFR') return respond(RCODE.refused, NO_RECORDS, false);
  const { exists, answers, additionals } = zone.answer(name, question.type, question.name);
  // RFC 2308: a name without records of the type (NODATA) and a name that does not exist both bring the SOA record.
  const authorities = answers.length === 0 ? [zone.soa] : [];
  return respond(exists ? RCODE.noError : RCODE.nxDomain, { answers, authorities, additionals }, true);
}

/** Undefined unless the message is one question with at most a few additional records, and nothing else. */
function plainQuery(message: Buffer): Packet | undefined {
  // The counts are looked at first: the decoder allocates by them.
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((offset) => message.readUInt16BE(offset));
  if (questions !== 1 || answers !== 0 || authorities !== 0 || (additionals ?? 0) > 4) return undefined;
  try {
    const query = decode(message);
    // A label with a dot or a control character in it would be read as another name than was asked.
    const name = query.questions?.[0]?.name ?? '';
    const wireBytes = name === '.' ? 1 : name.length + 2;
    return /^[!-~]+$/.test(name) && nameBytes(message) === wireBytes ? query : undefined;
  } catch {
    return undefined;
  }
}

/** Bytes that the question's name takes in the message; -1 where a label has a dot, or a pointer stands in its place. */
function nameBytes(message: Buffer): number {
  let offset = HEADER_BYTES;
  for (;;) {
    const length = message[offset];
    if (length === undefined || length > 63) return -1;
    if (length === 0) return offset - HEADER_BYTES + 1;
    if (message.subarray(offset + 1, offset + 1 + length).includes('.')) return -1;
    offset += length + 1;
  }
}

interface Records {
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
  readonly additionals: readonly Answer[];
}

const NO_RECORDS: Records = { answers: [], authorities: [], additionals: [] };

interface Frame {
  readonly id: number;
  readonly echoed: number;
  readonly rcode: Rcode;
  readonly question: NonNullable<Packet['questions']>[number];
  readonly edns: boolean;
  readonly authoritative: boolean;
}

/**
 * Leaves out what does not fit: first the additional records, which needs no mark (RFC 2181, section 9), then all
 * records with the truncation flag, upon which the resolver asks again by TCP.
 */
function withinLimit(frame: Frame, records: Records, limit: number): Buffer {
  const whole = packet(frame, records, false);
  if (encodingLength(whole) <= limit) return encode(whole);
  const lean = packet(frame, { ...records, additionals: [] }, false);
  if (encodingLength(lean) <= limit) return encode(lean);
  return encode(packet(frame, NO_RECORDS, true));
}

function packet(frame: Frame, { answers, authorities, additionals }: Records, truncated: boolean): Packet {
  const { id, echoed, rcode, question, edns, authoritative } = frame;
  const options: Answer[] = edns ? [optRecord(rcode)] : [];
  return {
    type: 'response',
    id,
    flags: echoed | (authoritative ? AUTHORITATIVE_ANSWER : 0) | (truncated ? TRUNCATED_RESPONSE : 0) | (rcode & 0xf),
    questions: [question],
    answers: [...answers],
    authorities: [...authorities],
    additionals: [...additionals, ...options],
  };
}

function optRecord(rcode: Rcode): OptAnswer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: EDNS_UDP_BYTES,
    extendedRcode: rcode >> 4,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
}

/** A header alone, for a message whose question can't be repeated. */
function bare(id: number, flags: number, rcode: Rcode): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x8000 | flags | rcode, 2);
  return header;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

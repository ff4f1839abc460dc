import { HEADERS } from '../../lib/model/contract';
import { peerRequestIdField, roundMs } from '../../lib/model/event-line';
import { type Attempt, type Call, failedAttempt } from './attempt';
import type { IncomingAnswer } from './outgoing';

/** Logs what came back and says whether it can be used. */
export function judgeAnswer(
  { status, headers, body }: IncomingAnswer,
  call: Call,
  peer: string,
  startedAt: number,
): Attempt {
  const { instruction, span, caller } = call;
  const hlc = caller.log.clock.receive(headers[HEADERS.clock]);
  const text = status < 400 && instruction.kind === 'call' ? jsonText(body) : '';
  if (text === undefined) return failedAttempt(call, peer, 'BODY', 'the answer is not JSON', startedAt, hlc);
  const from = peerRequestIdField(headers[HEADERS.requestId]);
  const receipt = caller.log.read();
  const duration = roundMs(receipt.at - startedAt);
  const fields = `${peer}${from},"status":${status},"durationMs":${duration},"bytes":${body.length}`;
  caller.log.event(span.log, 'RESPONSE_RECEIVED', fields, hlc, receipt);
  if (status >= 400) return { ok: false, kind: 'STEP_FAILED', message: `answered ${status}`, status };
  return { ok: true, text };
}

/** The answer as text, or undefined where it is not JSON: what is spliced into an answer must not break it. */
function jsonText(body: Buffer): string | undefined {
  const text = body.toString('utf8');
  try {
    JSON.parse(text);
    return text;
  } catch {
    return undefined;
  }
}

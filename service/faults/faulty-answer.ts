import type { ServerResponse } from 'node:http';
import type { Answer, FaultyAnswer } from '../request/answer';
import { corrupted } from './corrupt';
import { writeSlowly } from './slow-body';
import { truncated } from './truncate';

/** Writes an answer past the server's own ways, as its faults will have it. Both kinds of server hand theirs over. */
export async function writeFaulty(response: ServerResponse, answer: Answer, faulty: FaultyAnswer): Promise<void> {
  const { status, headers, body: text, close } = answer;
  const whole = Buffer.from(text);
  const body = faulty.corrupt ? corrupted(whole) : whole;
  if (close) response.shouldKeepAlive = false;
  response.writeHead(status, { ...headers, 'content-length': body.length });
  response.flushHeaders();
  const part = faulty.truncate ? truncated(body) : body;
  if (faulty.bytesPerSecond !== undefined) await writeSlowly(response, part, faulty.bytesPerSecond);
  else response.write(part);
  if (response.destroyed) return;
  // What is written leaves before the connection closes.
  if (faulty.truncate) response.write('', () => response.socket?.destroySoon());
  else response.end();
}

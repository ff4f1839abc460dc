import { renameSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import type { Slice } from '../../lib/model/slice';
import { compile, type Handled, type Program, type Via } from '../program';
import type { ItineraryMatch } from '../request/itinerary';
import { type ServerFactory, type ServerParts, writeAnswer } from '../server/server';
import { httpServer } from '../server/server-http';
import { koaServer } from '../server/server-koa';

const SERVERS: Readonly<Record<string, ServerFactory>> = { koa: koaServer, http: httpServer };

/** What runs, held in one place: a change of the topology puts another in its stead, and later requests meet it. */
export interface LiveProgram {
  readonly current: Program;
  readonly handled: Handled;
  /** Of one port, whatever runs. */
  listener(via: Via): RequestListener;
  /** Puts another slice in the place of the one that runs. */
  change(slice: Slice): void;
}

export interface LiveProgramParts extends ServerParts {
  readonly instance: string;
  readonly itineraryOf: ItineraryMatch;
  /** File that a changed slice is kept in, if any. */
  readonly file: string | undefined;
}

interface Loaded {
  readonly program: Program;
  readonly listeners: Readonly<Record<Via, RequestListener>>;
}

export function liveProgram(slice: Slice, parts: LiveProgramParts): LiveProgram {
  const { instance, handle, itineraryOf, file } = parts;
  const handled: Handled = new Map();

  const load = (newSlice: Slice, before?: Program): Loaded => {
    const program = compile(newSlice, instance, handled, before);
    const factory = SERVERS[newSlice.service.server] as ServerFactory;
    return { program, listeners: { mesh: factory(program, 'mesh', parts), edge: factory(program, 'edge', parts) } };
  };
  let loaded = load(slice);

  return {
    get current() {
      return loaded.program;
    },
    handled,
    listener: (via) => (request, response) => {
      const { program, listeners } = loaded;
      const errand = itineraryOf(request, via, program);
      if (errand) void writeAnswer(handle(request, response, via, program, errand), response);
      else listeners[via](request, response);
    },
    change: (newSlice) => {
      const next = load(newSlice, loaded.program);
      if (file !== undefined) replaceFile(file, JSON.stringify(newSlice));
      loaded = next;
    },
  };
}

/** A process that is killed in between leaves the old content. */
function replaceFile(path: string, content: string): void {
  writeFileSync(`${path}.tmp`, content, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

import type { CrashSignal, FaultType } from '../../lib/model/fault';
import { NOTHING, type Outcome } from '../steps/outcome';
import { block } from './block';
import { clockOffset } from './clock-offset';
import { corrupt } from './corrupt';
import { cpu } from './cpu';
import { crash } from './crash';
import { fillDisk, grantDisk } from './disk-fill';
import type { Scene } from './effects';
import { error } from './error';
import { hang } from './hang';
import { latency } from './latency';
import { grantMemory, leakMemory } from './memory-leak';
import { refuse } from './refuse';
import { reset } from './reset';
import { slowBody } from './slow-body';
import { truncate } from './truncate';
import { unready } from './unready';

export type Args = Readonly<Record<string, number | string>>;

/** What a fault will really do within the bounds of the node, which is what its event says: a size may be cut. */
export function grant(type: FaultType, args: Args): Args {
  switch (type) {
    case 'memory-leak':
      return { ...args, size: grantMemory(Number(args.size)) };
    case 'disk-fill':
      return { ...args, size: grantDisk(Number(args.size)) };
    default:
      return args;
  }
}

/** Faults that may end the process or keep it from writing: their events are on disk before they begin. */
export const DESTRUCTIVE: ReadonlySet<FaultType> = new Set(['crash', 'block', 'memory-leak', 'disk-fill']);

/** Carries out one fault of a request or of the instance; `args` are those that `grant` returned. */
export function carryOut(type: FaultType, args: Args, scene: Scene): Promise<Outcome> | Outcome {
  const duration = Number(args.duration);
  switch (type) {
    case 'latency':
      return latency(Number(args.delay), scene);
    case 'error':
      return error(Number(args.status), scene);
    case 'reset':
      return reset(scene);
    case 'hang':
      return hang(duration, scene);
    case 'slow-body':
      return slowBody(Number(args.bytesPerSecond), scene);
    case 'truncate':
      return truncate(scene);
    case 'corrupt':
      return corrupt(scene);
    case 'cpu':
      return cpu(duration, scene);
    case 'memory-leak':
      leakMemory(Number(args.size), duration, scene);
      return NOTHING;
    case 'disk-fill':
      fillDisk(Number(args.size), duration, scene);
      return NOTHING;
    case 'block':
      block(duration);
      return NOTHING;
    case 'refuse':
      refuse(duration, scene);
      return NOTHING;
    case 'unready':
      unready(duration, scene);
      return NOTHING;
    case 'crash':
      crash(args as { readonly exitCode?: number; readonly signal?: CrashSignal });
      return NOTHING;
    case 'clock-offset':
      clockOffset(Number(args.offset), duration, scene);
      return NOTHING;
    case 'dns-failure':
    case 'partition':
      throw new Error(`a fault of type ${type} stands on calls only`);
  }
}

import { METHODS, type RequestListener } from 'node:http';
import Router from '@koa/router';
import Koa, { type Context } from 'koa';
import { RESERVED_PATHS } from '../../lib/model/contract';
import type { Program, Via } from '../program';
import type { Match } from '../request/handler';
import { type ServerParts, writeAnswer, writeHealth } from './server';

/**
 * Koa where every answer is written by the middleware itself. To hear of connections that break, Koa's own way listens
 * to each response, at a tenth of what an empty request costs; the handler knows of them, and has them in the event log.
 */
class LeanKoa extends Koa {
  // What goes wrong stands in the event log; Koa would print it as well.
  override silent = true;

  handleRequest(ctx: Context, middleware: (ctx: Context) => Promise<void>): Promise<void> {
    return middleware(ctx).catch((error: Error) => ctx.onerror(error));
  }
}

/**
 * Koa with @koa/router. There is one middleware a route and one for what no route takes; each returns the handler's
 * promise instead of awaiting it, since every async function between costs as much as Koa itself.
 */
export function koaServer(program: Program, via: Via, { handle, health }: ServerParts): RequestListener {
  const app = new LeanKoa();
  const router = new Router();
  const options = { pathAsRegExp: true, ignoreCaptures: true };

  const respond = (ctx: Context, match: Match): Promise<void> =>
    writeAnswer(handle(ctx.req, ctx.res, via, program, match), ctx.res);

  for (const route of program.routes) {
    const { anyMethod, method } = route.endpoint;
    const methods = anyMethod ? METHODS : [method];
    router.register(route.patterns[via], methods, (ctx: Context) => respond(ctx, route), options);
  }
  const check = (ctx: Context): Promise<void> => writeHealth(health(ctx.path, ctx.method), ctx.res);
  for (const path of Object.values(RESERVED_PATHS)) router.register(path, METHODS, check, {});

  app.use(router.routes());
  app.use((ctx) => respond(ctx, (ctx.matched as unknown[] | undefined)?.length ? 'unknown method' : 'unknown path'));
  return app.callback();
}

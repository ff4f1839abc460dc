import { METHODS, type RequestListener } from 'node:http';
import Router from '@koa/router';
import Koa, { type Context } from 'koa';
import { RESERVED_PATHS } from '../lib/model/contract';
import type { Match, Via } from './handler';
import type { HealthReport } from './health';
import type { Program } from './program';
import { type ServerParts, writeAnswer } from './server';

/**
 * Koa with @koa/router. There is one middleware a route and one for what no route takes; each returns the handler's
 * promise instead of awaiting it, since every async function between costs as much as Koa itself.
 */
export function koaServer(program: Program, via: Via, { handle, health }: ServerParts): RequestListener {
  const app = new Koa();
  // What goes wrong stands in the event log; Koa would print it as well, broken connections included.
  app.silent = true;
  const router = new Router();
  const options = { pathAsRegExp: true, ignoreCaptures: true };

  // The answer's type and length are known: to let Koa find them out again costs a tenth of an empty request.
  const respond = (ctx: Context, match: Match): Promise<void> => {
    ctx.respond = false;
    return writeAnswer(handle(ctx.req, ctx.res, via, program, match), ctx.res);
  };

  for (const route of program.routes) {
    const { anyMethod, method } = route.endpoint;
    const methods = anyMethod ? METHODS : [method];
    router.register(route.patterns[via], methods, (ctx: Context) => respond(ctx, route), options);
  }
  const check = async (ctx: Context): Promise<void> => {
    const { status, body } = (await health(ctx.path, ctx.method)) as HealthReport;
    ctx.status = status;
    ctx.type = 'application/json';
    ctx.body = body;
  };
  for (const path of Object.values(RESERVED_PATHS)) router.register(path, METHODS, check, {});

  app.use(router.routes());
  app.use((ctx) => respond(ctx, (ctx.matched as unknown[] | undefined)?.length ? 'unknown method' : 'unknown path'));
  return app.callback();
}

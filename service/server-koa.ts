import type { RequestListener } from 'node:http';
import Router from '@koa/router';
import Koa, { type Context } from 'koa';
import type { Match, Via } from './handler';
import type { Program } from './program';
import { pathOf, type ServerParts, withoutPrefix } from './server';

/** Koa with @koa/router. */
export function koaServer(program: Program, via: Via, { handle, health }: ServerParts): RequestListener {
  const app = new Koa();
  // What goes wrong stands in the event log; Koa would print it as well, broken connections included.
  app.silent = true;
  const router = new Router();
  const prefix = via === 'edge' ? program.slice.edgePrefix : '';

  const answer = async (ctx: Context, match: Match): Promise<void> => {
    const { status, headers, body, close } = await handle(ctx.req, ctx.res, via, program, match);
    if (close) ctx.res.shouldKeepAlive = false;
    ctx.status = status;
    ctx.set(headers as Record<string, string>);
    ctx.body = body;
  };

  app.use(async (ctx, next) => {
    const path = pathOf(ctx.req.url as string);
    const report = health(path, ctx.method);
    if (report) {
      const { status, body } = await report;
      ctx.status = status;
      ctx.type = 'application/json';
      ctx.body = body;
      return;
    }
    const inner = withoutPrefix(path, prefix);
    if (inner === undefined) return answer(ctx, 'unknown path');
    ctx.newRouterPath = inner;
    return next();
  });

  for (const route of program.routes) {
    const { anyMethod, method } = route.endpoint;
    const serve = (ctx: Context) => answer(ctx, route);
    if (anyMethod) router.all(route.pattern, serve);
    else router.register(route.pattern, [method], serve, { pathAsRegExp: true });
  }

  app.use(router.routes());
  app.use((ctx) => answer(ctx, (ctx.matched as unknown[] | undefined)?.length ? 'unknown method' : 'unknown path'));
  return app.callback();
}

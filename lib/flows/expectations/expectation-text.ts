import { CLIENT_SERVICE } from '../../model/contract';
import type { Demand, Expectation, Subject, TimeLimit, Window } from '../../model/scenario';

/** An expectation in words: `p99 of the response time at most 400 ms, during rush`. */
export function expectationText({ of, during, that }: Expectation): string {
  const whose = of === null ? '' : ` ${subjectText(of)}`;
  const when = during === null ? '' : `, ${windowText(during)}`;
  return `${demandText(that, whose)}${when}`;
}

function demandText(that: Demand, whose: string): string {
  switch (that.kind) {
    case 'time':
      return limitText(that, whose);
    case 'errors':
      return `errors${whose} at most ${percentText(that.atMost)}`;
    case 'throughput':
      return `throughput${whose} at least ${that.atLeast}/s`;
    case 'recovered': {
      const { after, withinMs, limits, errorsAtMost } = that;
      const all = [
        ...(errorsAtMost === null ? [] : [`errors${whose} at most ${percentText(errorsAtMost)}`]),
        ...limits.map((limit) => limitText(limit, whose)),
      ];
      return `recovered within ${withinMs / 1000} s after ${after} (${all.join(', ')})`;
    }
  }
}

function limitText({ time, percentile, atMostMs }: TimeLimit, whose: string): string {
  return `p${percentile} of the ${time === 'responseTime' ? 'response time' : 'service time'}${whose} at most ${atMostMs} ms`;
}

function subjectText(of: Subject): string {
  const place = `${of.service}${of.endpoint === null ? '' : ` ${of.endpoint}`}`;
  if (of.kind === 'handled') return `of ${place}`;
  return of.from === CLIENT_SERVICE ? `of the client at ${place}` : `of ${of.from} at ${place}`;
}

function windowText(during: Window): string {
  if ('named' in during) return `during ${during.named}`;
  const { fromMs, toMs } = during;
  const parts = [
    ...(fromMs === null ? [] : [`from ${fromMs / 1000} s`]),
    ...(toMs === null ? [] : [`to ${toMs / 1000} s`]),
  ];
  return parts.join(' ');
}

/** `0.4 %` */
export function percentText(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}

import { distribution } from './distribution-shape';
import { type ArgumentRule, FAULT_ARGUMENTS, FAULT_POSITIONS, type FaultPosition, type FaultType } from './fault';
import { nearest } from './nearest';
import {
  choice,
  describe,
  isObject,
  type JsonSchema,
  list,
  number,
  object,
  orList,
  presentEntries,
  type Report,
  refine,
  type Shape,
  show,
  text,
} from './shape';

/** What a fault may look like where it is written: among the steps, on a call, as a rule, or by itself. */

const TYPES = Object.keys(FAULT_ARGUMENTS) as readonly FaultType[];
const POSITIONS = ['before', 'after', 'call', 'instance'] as const satisfies readonly FaultPosition[];

/** Definitions of the schema, by the key that tells a fault's kind. */
const ARGUMENTS_BY = { type: 'argumentsByType', fault: 'argumentsByFault' } as const;

export const faultId = describe(
  'Names the fault in draws and events.',
  text(/^[A-Za-z0-9._-]{1,64}$/, 'a fault id: 1 to 64 letters, digits, dots, dashes or underscores'),
);
const probability = describe('How likely it strikes.', number({ min: 0, max: 1 }));
const DRAWN = { id: faultId, probability };

const day = number({ above: 0, max: 86_400_000 });
const instant = text(
  /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/,
  'a time in UTC, such as 2026-11-21T05:44:29Z',
);
const CONDITIONS = {
  callee: describe(
    'The callee concerned: service, or service METHOD /path.',
    text(/^[^\s]+( [A-Z]+ \/\S*)?$/, 'a callee: "service" or "service METHOD /path"'),
  ),
  fromRequest: describe('Strikes from the n-th request on.', number({ min: 1, max: 1e12, whole: true })),
  forMs: describe('Ends so long after it first could strike in a process.', day),
  instances: describe('Instances concerned.', list(text(/^[a-z0-9-]{1,63}$/, 'an instance, such as "catalog-2"'))),
  priority: describe('Of several that decide one answer the highest wins.', number({ min: -1e6, max: 1e6 })),
};
const ENDPOINT = { endpoint: describe('Key of the endpoint concerned.', text(/^[A-Z]+ \/\S*$/, 'METHOD /path')) };

/** `{ type, args }` alone: a fault of an itinerary or a scenario. */
export function bareFault(positions: readonly FaultPosition[] = POSITIONS): Shape {
  return typedFault('type', positions, {});
}

/** `{ fault, args, probability?, id? }` */
export const stepFault = typedFault('fault', ['before', 'after'], DRAWN);
/** `{ type, args, probability?, id? }` */
export const callFault = typedFault('type', ['call'], DRAWN);
export const endpointRule = rule(['before', 'after', 'call'], CONDITIONS);
export const serviceRule = rule(POSITIONS, { ...ENDPOINT, ...CONDITIONS });
/** A rule given to a running node may also begin and end by the clock. */
export const liveRule = rule(POSITIONS, { ...ENDPOINT, ...CONDITIONS, startsAt: instant, expiresAt: instant });

/** A rule of a scenario names its service; the step that it stands in says when it ends, and names it. */
export function scenarioRule(service: Shape): Shape {
  const { forMs: _forMs, ...conditions } = CONDITIONS;
  return rule(POSITIONS, { service, ...ENDPOINT, ...conditions }, { probability }, ['service', 'at']);
}

function rule(
  positions: readonly FaultPosition[],
  conditions: Readonly<Record<string, Shape>>,
  drawn: Readonly<Record<string, Shape>> = DRAWN,
  required: readonly string[] = ['at'],
): Shape {
  const shape = typedFault('type', positions, { ...drawn, at: choice(positions), ...conditions }, required);
  return refine(shape, (value, where, report) => {
    const { type, at, callee, endpoint } = value as Readonly<Record<string, string | undefined>>;
    const may = FAULT_POSITIONS[type as FaultType];
    if (!may.includes(at as FaultPosition)) {
      report(`${where}.at`, `${show(type)} can't stand at ${show(at)}`, `use ${orList(may)}`);
    }
    if (callee !== undefined && at !== 'call')
      report(`${where}.callee`, `it is for calls, and this is ${at}`, 'leave it out');
    if (endpoint !== undefined && at === 'instance') {
      report(`${where}.endpoint`, 'it concerns the whole instance', 'leave it out');
    }
  });
}

/** An object whose `key` says which fault it is, with that fault's arguments and the fields given. */
function typedFault(
  key: keyof typeof ARGUMENTS_BY,
  positions: readonly FaultPosition[],
  fields: Readonly<Record<string, Shape>>,
  required: readonly string[] = [],
): Shape {
  const types = TYPES.filter((type) => FAULT_POSITIONS[type].some((position) => positions.includes(position)));
  const shapes = new Map<string, Shape>();
  for (const type of types) {
    const args = argumentShapes(type);
    const needed = args.required.length > 0 ? [key, 'args', ...required] : [key, ...required];
    const shape = object({ [key]: { schema: { const: type }, check() {} }, args: args.shape, ...fields }, needed);
    shapes.set(type, type === 'crash' ? refine(shape, checkCrash) : shape);
  }
  return {
    schema: {
      ...object({ [key]: choice(types), args: { schema: { type: 'object' }, check() {} }, ...fields }, [
        key,
        ...required,
      ]).schema,
      $ref: `#/$defs/${ARGUMENTS_BY[key]}`,
    },
    check(value, where, context) {
      if (!isObject(value)) {
        return context.report(where, `${show(value)} is no fault`, `give { ${key}: "latency", args: { delay: 100 } }`);
      }
      const type = value[key];
      if (type === undefined)
        return context.report(where, `${key} is missing`, `add ${key}: one of ${types.join(', ')}`);
      const shape = typeof type === 'string' ? shapes.get(type) : undefined;
      if (shape) return shape.check(value, where, context);
      const at = `${where === '' ? '' : `${where}.`}${key}`;
      if (TYPES.includes(type as FaultType)) {
        const may = FAULT_POSITIONS[type as FaultType];
        return context.report(
          at,
          `${show(type)} can't stand here`,
          `it stands at ${orList(may)}; use ${orList(types)}`,
        );
      }
      const near = typeof type === 'string' ? nearest(type, types) : undefined;
      context.report(at, `there is no fault ${show(type)}`, near ? `did you mean ${near}?` : `use ${orList(types)}`);
    },
  };
}

/** What the schema's `$ref`s to faults mean: the arguments of each kind, once for all places where it may stand. */
export function faultDefinitions(): Readonly<Record<string, JsonSchema>> {
  const kinds = TYPES.map((type) => ({ type, name: `${type}-arguments`, ...argumentShapes(type) }));
  const byKey = (key: string): JsonSchema => ({
    oneOf: kinds.map(({ type, name, required }) => ({
      type: 'object',
      properties: { [key]: { const: type }, args: { $ref: `#/$defs/${name}` } },
      ...(required.length > 0 && { required: ['args'] }),
    })),
  });
  return {
    [ARGUMENTS_BY.type]: byKey('type'),
    [ARGUMENTS_BY.fault]: byKey('fault'),
    ...Object.fromEntries(kinds.map(({ name, shape }) => [name, shape.schema])),
  };
}

function argumentShapes(type: FaultType): { readonly shape: Shape; readonly required: readonly string[] } {
  const rules = Object.entries(FAULT_ARGUMENTS[type]);
  const required = rules.filter(([, each]) => isRequired(each)).map(([name]) => name);
  if (rules.length > 0) {
    return {
      shape: object(Object.fromEntries(rules.map(([name, each]) => [name, argument(each)])), required),
      required,
    };
  }
  const shape: Shape = {
    schema: { type: 'object', additionalProperties: false },
    check(value, where, { report }) {
      if (!isObject(value)) report(where, `${show(value)} is no object`, 'leave it out');
      else if (presentEntries(value).length > 0) report(where, `${type} takes no arguments`, 'leave them out');
    },
  };
  return { shape, required };
}

function isRequired(rule: ArgumentRule): boolean {
  return rule.is === 'distribution' || (rule.is === 'number' && rule.default === undefined);
}

function argument(rule: ArgumentRule): Shape {
  switch (rule.is) {
    case 'number':
      return number({ min: rule.min, max: rule.max, whole: rule.whole ?? false });
    case 'distribution':
      return distribution({ limit: rule.max, why: 'the longest that a fault may last' });
    case 'one of':
      return choice(rule.values);
  }
}

function checkCrash(value: unknown, where: string, report: Report): void {
  const { args } = value as { readonly args?: Readonly<Record<string, unknown>> };
  if (args?.exitCode === undefined || args.signal === undefined) return;
  report(`${where}.args`, 'it ends by an exit code and by a signal at once', 'keep one of them');
}

import { nearest } from './nearest';

/**
 * The shape of a value, stated once: `check` finds every departure from it in an unknown value and `schema` says the same
 * as JSON Schema (draft 2020-12). Rules that a schema can't state are `refine`d shapes; the schema leaves those out.
 */
export interface Shape {
  readonly schema: JsonSchema;
  check(value: unknown, where: string, context: CheckContext): void;
}

export type JsonSchema = { readonly [keyword: string]: unknown };

export interface CheckContext {
  readonly report: Report;
  /** False leaves the rules out that a schema can't state. */
  readonly refine: boolean;
  /** Recursive values that the one being checked stands in, outermost first. */
  readonly ancestors: readonly unknown[];
}

export type Report = (where: string, problem: string, remedy: string) => void;

export interface Range {
  readonly min?: number;
  readonly max?: number;
  /** Exclusive. */
  readonly above?: number;
  readonly whole?: boolean;
}

/** How deep a value may stand within itself: lists of lists and groups of groups. */
export const MAX_NESTING = 32;

export function number(range: Range): Shape {
  const { min, max, above, whole = false } = range;
  const remedy = `give ${whole ? 'a whole number' : 'a number'}${rangeText(range)}`;
  return {
    schema: {
      type: whole ? 'integer' : 'number',
      ...(min !== undefined && { minimum: min }),
      ...(above !== undefined && { exclusiveMinimum: above }),
      ...(max !== undefined && { maximum: max }),
    },
    check(value, where, { report }) {
      if (typeof value !== 'number') return report(where, `${show(value)} is no number`, remedy);
      if (!Number.isFinite(value)) return report(where, `${value} is no finite number`, remedy);
      if (whole && !Number.isInteger(value)) report(where, `${value} is no whole number`, remedy);
      if (min !== undefined && value < min) report(where, `${value} is below ${min}`, remedy);
      if (above !== undefined && value <= above) report(where, `${value} is not above ${above}`, remedy);
      if (max !== undefined && value > max) report(where, `${value} is above ${max}`, remedy);
    },
  };
}

function rangeText({ min, max, above }: Range): string {
  if (above !== undefined) return ` above ${above}${max === undefined ? '' : ` and at most ${max}`}`;
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  return max === undefined ? '' : ` of at most ${max}`;
}

/** @param what what such a text is, for the message: `a step id: 1 to 64 letters` */
export function text(pattern: RegExp, what: string): Shape {
  return {
    schema: { type: 'string', pattern: pattern.source },
    check(value, where, { report }) {
      if (typeof value !== 'string') report(where, `${show(value)} is no text`, `give ${what}`);
      else if (!pattern.test(value)) report(where, `${show(value)} does not fit`, `give ${what}`);
    },
  };
}

export function choice(options: readonly string[]): Shape {
  return {
    schema: { enum: options },
    check(value, where, { report }) {
      if (options.includes(value as string)) return;
      const near = typeof value === 'string' ? nearest(value, options) : undefined;
      report(where, `${show(value)} is none of the choices`, near ? `did you mean ${near}?` : `use ${orList(options)}`);
    },
  };
}

export const flag: Shape = {
  schema: { type: 'boolean' },
  check(value, where, { report }) {
    if (typeof value !== 'boolean') report(where, `${show(value)} is neither true nor false`, 'give true or false');
  },
};

export function list(item: Shape, { min = 0, max }: { readonly min?: number; readonly max?: number } = {}): Shape {
  const size = min === max ? `exactly ${min}` : max === undefined ? `at least ${min}` : `${min} to ${max}`;
  return {
    schema: {
      type: 'array',
      items: item.schema,
      ...(min > 0 && { minItems: min }),
      ...(max !== undefined && { maxItems: max }),
    },
    check(value, where, context) {
      if (!Array.isArray(value)) return context.report(where, `${show(value)} is no list`, 'give a list: [ ... ]');
      if (value.length < min || (max !== undefined && value.length > max)) {
        context.report(where, `the list has ${value.length} items`, `give ${size}`);
      }
      for (const [index, inner] of value.entries()) item.check(inner, `${where}[${index}]`, context);
    },
  };
}

/** An object with these fields and no others; all optional but the required. A field of value undefined is absent. */
export function object(fields: Readonly<Record<string, Shape>>, required: readonly string[] = []): Shape {
  return {
    schema: {
      type: 'object',
      properties: Object.fromEntries(Object.entries(fields).map(([key, { schema }]) => [key, schema])),
      ...(required.length > 0 && { required }),
      additionalProperties: false,
    },
    check(value, where, context) {
      if (!checkIsObject(value, where, context)) return;
      for (const [key, inner] of presentEntries(value)) {
        const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
        if (field) field.check(inner, pathTo(where, key), context);
        else reportUnknownKey(key, Object.keys(fields), where, context);
      }
      for (const key of required) {
        if (value[key] === undefined) context.report(where, `${key} is missing`, `add ${key}`);
      }
    },
  };
}

/** An object from names to values of one shape. */
export function record(of: Shape, names: RegExp, what: string): Shape {
  return {
    schema: {
      type: 'object',
      propertyNames: { pattern: names.source },
      additionalProperties: of.schema,
      minProperties: 1,
    },
    check(value, where, context) {
      if (!checkIsObject(value, where, context)) return;
      const entries = presentEntries(value);
      if (entries.length === 0) context.report(where, 'it is empty', `add at least one ${what.split(':')[0]}`);
      for (const [key, inner] of entries) {
        if (!names.test(key)) context.report(pathTo(where, key), `${show(key)} is no ${what}`, 'rename it');
        of.check(inner, pathTo(where, key), context);
      }
    },
  };
}

/** An object of one of several kinds; which one is told by the key that it alone has. */
export function variants(kinds: Readonly<Record<string, Shape>>, what: string): Shape {
  const keys = Object.keys(kinds);
  return {
    schema: { oneOf: Object.values(kinds).map(({ schema }) => schema) },
    check(value, where, context) {
      if (!checkIsObject(value, where, context)) return;
      const given = presentEntries(value).map(([key]) => key);
      const meant = given.filter((key) => keys.includes(key));
      const [kind = ''] = meant;
      if (meant.length === 1) return kinds[kind]?.check(value, where, context);
      const near = given.map((key) => nearest(key, keys)).find((key) => key !== undefined);
      const remedy = meant.length === 0 && near ? `did you mean ${near}?` : `give exactly one of ${keys.join(', ')}`;
      const problem = meant.length === 0 ? `${show(value)} is no ${what}` : `it is ${meant.join(' and ')} at once`;
      context.report(where, problem, remedy);
    },
  };
}

/** One shape for each JavaScript type that the value may have. */
export function byType(
  shapes: Partial<Readonly<Record<'number' | 'string' | 'list' | 'object', Shape>>>,
  what: string,
): Shape {
  return {
    schema: { anyOf: Object.values(shapes).map(({ schema }) => schema) },
    check(value, where, context) {
      const type = Array.isArray(value) ? 'list' : value === null ? 'null' : typeof value;
      const shape = Object.hasOwn(shapes, type) ? shapes[type as keyof typeof shapes] : undefined;
      if (shape) return shape.check(value, where, context);
      const names = Object.keys(shapes).map((name) => TYPE_NAMES[name as keyof typeof TYPE_NAMES]);
      context.report(where, `${show(value)} is no ${what}`, `give ${orList(names)}`);
    },
  };
}

const TYPE_NAMES = { number: 'a number', string: 'a text', list: 'a list', object: 'an object' };

/** A shape that may stand within itself, by its name in the schema's `$defs`. */
export function recursive(name: string, shape: () => Shape): Shape {
  return {
    schema: { $ref: `#/$defs/${name}` },
    check(value, where, context) {
      const { ancestors, report } = context;
      if (value !== null && typeof value === 'object') {
        if (ancestors.includes(value)) return report(where, 'it contains itself', 'write the steps out');
        if (ancestors.length >= MAX_NESTING) {
          return report(where, `it is nested deeper than ${MAX_NESTING}`, 'move inner steps to a service of their own');
        }
      }
      shape().check(value, where, { ...context, ancestors: [...ancestors, value] });
    },
  };
}

/** A reference to a definition, so that the schema states it once. */
export function named(name: string, shape: Shape): Shape {
  return { ...shape, schema: { $ref: `#/$defs/${name}` } };
}

/** A rule beyond the shape, asked only where the shape itself has no fault. */
export function refine(shape: Shape, rule: (value: unknown, where: string, report: Report) => void): Shape {
  return {
    schema: shape.schema,
    check(value, where, context) {
      let faults = 0;
      const report: Report = (...fault) => {
        faults += 1;
        context.report(...fault);
      };
      shape.check(value, where, { ...context, report });
      if (faults === 0 && context.refine) rule(value, where, context.report);
    },
  };
}

/** What an editor shows for the field. */
export function describe(description: string, shape: Shape): Shape {
  return { ...shape, schema: { ...shape.schema, description } };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (value === null || typeof value !== 'object') return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** `where.key`, or `where["GET /"]` for a key that is no plain word. */
export function pathTo(where: string, key: string): string {
  if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `${where}[${JSON.stringify(key)}]`;
  return where === '' ? key : `${where}.${key}`;
}

/** The value as a message shows it: on one line, and short. */
export function show(value: unknown): string {
  let written: string | undefined;
  try {
    written = typeof value === 'bigint' ? `${value}n` : JSON.stringify(value);
  } catch {
    // It contains itself; its type must do.
  }
  const line = written ?? Object.prototype.toString.call(value);
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}

/** `a, b or c` */
export function orList(items: readonly string[]): string {
  return items.length < 2 ? items.join() : `${items.slice(0, -1).join(', ')} or ${items[items.length - 1]}`;
}

export function presentEntries(value: Readonly<Record<string, unknown>>): readonly (readonly [string, unknown])[] {
  return Object.entries(value).filter(([, inner]) => inner !== undefined);
}

function checkIsObject(value: unknown, where: string, { report }: CheckContext): value is Record<string, unknown> {
  if (isObject(value)) return true;
  report(where, `${show(value)} is no object`, 'give an object: { ... }');
  return false;
}

function reportUnknownKey(key: string, known: readonly string[], where: string, { report }: CheckContext): void {
  const near = nearest(key, known);
  report(pathTo(where, key), 'unknown key', near ? `did you mean ${near}?` : `use ${orList(known)}`);
}

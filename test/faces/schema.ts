// schema.ts: whether a value fits a JSON Schema, for the keywords that the library's schemas have.
import type { Schema } from '../../lib/options/index.ts';

type Keyword = (of: never, value: unknown, schema: Schema, root: Schema) => boolean;
const isNumber = (value: unknown): value is number => typeof value === 'number' && !Number.isNaN(value);
const isObject = (value: unknown): value is Record<string, unknown> =>
  Object.prototype.toString.call(value) === '[object Object]' && Object.getPrototypeOf(value) === Object.prototype;

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  number: isNumber,
  integer: (value) => isNumber(value) && (Number.isSafeInteger(value) || Math.abs(value) === Infinity),
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  array: Array.isArray,
  object: isObject,
};

const KEYWORDS: Readonly<Record<string, Keyword>> = {
  type: (type: string, value) => TYPES[type]!(value),
  const: (is: unknown, value) => value === is,
  enum: (allowed: readonly unknown[], value) => allowed.includes(value),
  minimum: (min: number, value) => !isNumber(value) || value >= min,
  maximum: (max: number, value) => !isNumber(value) || value <= max,
  exclusiveMinimum: (above: number, value) => !isNumber(value) || value > above,
  exclusiveMaximum: (below: number, value) => !isNumber(value) || value < below,
  minLength: (min: number, value) => typeof value !== 'string' || value.length >= min,
  minItems: (min: number, value) => !Array.isArray(value) || value.length >= min,
  maxItems: (max: number, value) => !Array.isArray(value) || value.length <= max,
  items: (item: Schema, value, _, root) => !Array.isArray(value) || value.every((element) => fits(element, item, root)),
  prefixItems: (items: readonly Schema[], value, _, root) =>
    !Array.isArray(value) || items.every((item, i) => fits(value[i], item, root)),
  anyOf: (schemas: readonly Schema[], value, _, root) => schemas.some((schema) => fits(value, schema, root)),
  required: (keys: readonly string[], value) => !isObject(value) || keys.every((key) => Object.hasOwn(value, key)),
  properties: (properties: Readonly<Record<string, Schema>>, value, _, root) =>
    !isObject(value) ||
    Object.entries(properties).every(([key, schema]) => !Object.hasOwn(value, key) || fits(value[key], schema, root)),
  additionalProperties: (others: false | Schema, value, { properties = {} }, root) =>
    !isObject(value) ||
    Object.keys(value).every(
      (key) => Object.hasOwn(properties as object, key) || (others !== false && fits(value[key], others, root)),
    ),
  $ref: (path: string, value, _, root) =>
    fits(value, (root.$defs as Record<string, Schema>)[path.slice(path.lastIndexOf('/') + 1)]!, root),
  $defs: () => true,
  default: () => true,
  description: () => true,
};

/** @param root what references are into. @throws Error for a keyword that is not known */
export function fits(value: unknown, schema: Schema, root: Schema = schema): boolean {
  return Object.entries(schema).every(([keyword, of]) => {
    const check = KEYWORDS[keyword];
    if (!check) throw new Error(`schema keyword ${keyword}`);
    return check(of as never, value, schema, root);
  });
}

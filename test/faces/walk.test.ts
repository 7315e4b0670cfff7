// walk.test.ts: everything public, called as nobody should: with an unknown option, a surplus argument, values of other types, and numbers
// that are not finite, negative or huge. What comes is the library's own error, which names what is wrong, and never silence.
import { rmSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { GradclipError, OptionError } from '../../lib/errors.ts';
import { type AnyField, type Fields, type Schema, type Signature, signatures } from '../../lib/options/index.ts';
import { PUBLIC, type Public } from './public.ts';
import { argumentsOf, instanceOf, UNDECLARED, UNDECLARED_METHODS, WRITES } from './samples.ts';
import { fits } from './schema.ts';

// What writes files writes this one: the walk's own text is a name like another.
afterAll(() => rmSync('a text', { force: true }));

/** No function takes all of these; most take few. */
const WRONG: readonly unknown[] = [
  ...['a text', null, true, [1], [], {}, 2n, Symbol('s'), new Date(0), new Map(), /x/, () => 1, class {}, Promise.resolve(1)],
  ...[
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    -1,
    -0.5,
    0.5,
    0,
    -1e300,
    1e300,
    2 ** 53,
    -(2 ** 53),
    1e-320,
  ],
];

/** Calls, or makes one of a class, and waits for what is promised. Gives the error, if there is one. */
async function called({ kind, value, path }: Public, args: readonly unknown[]): Promise<unknown> {
  try {
    const given = args as never[];
    const made: unknown =
      kind === 'class'
        ? new (value as unknown as new (...args: never[]) => unknown)(...given)
        : value.apply(kind === 'method' ? instanceOf(path) : undefined, given);
    await settled(made);
    return null;
  } catch (error) {
    return error;
  }
}

/** A run of a trainer that goes well is not waited for: only what is refused. */
async function settled(made: unknown): Promise<void> {
  if (typeof (made as PromiseLike<unknown> | null | undefined)?.then === 'function') await made;
  if (typeof made === 'object' && made !== null && 'dispose' in made && typeof made.dispose === 'function') made.dispose();
}

const text = (value: unknown): string => {
  if (typeof value === 'object' && value !== null) return `${value.constructor?.name} ${JSON.stringify(value)}`;
  return String(value);
};

/** The library's own error, or none; never one from inside. */
function expectOwn(error: unknown, what: string): void {
  if (error === null) return;
  if (error instanceof GradclipError && error.message.split('\n').length <= 5) return;
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
  expect.fail(`${what}: ${shown}`);
}

/** Refused, by name. */
function expectRefused(error: unknown, names: readonly string[], what: string): void {
  expectOwn(error, what);
  if (error === null) expect.fail(`${what}: accepted in silence`);
  for (const name of names) expect((error as Error).message, what).toContain(name);
}

/** Fields of the arguments and options, each with how a call that has `value` there is made. */
function* places(path: string, { positional, options }: Signature): Generator<[string, AnyField, (value: unknown) => unknown[]]> {
  const base = argumentsOf(path);
  const keys = Object.keys(positional);
  for (const [i, key] of keys.entries()) {
    yield [key, positional[key]!, (value) => [...base.slice(0, i), value, ...base.slice(i + 1)]];
  }
  for (const [key, field] of Object.entries(options ?? {})) {
    yield [key, field, (value) => [...base.slice(0, keys.length), { ...(base[keys.length] as object), [key]: value }]];
  }
}

const walked = PUBLIC.filter(({ path }) => !(path in UNDECLARED) && !UNDECLARED_METHODS.test(path));

test('everything public declares what it takes', () => {
  expect(walked.filter(({ path }) => !signatures.has(path)).map(({ path }) => path)).toEqual([]);
  expect(Object.keys(UNDECLARED).filter((path) => !PUBLIC.some((p) => p.path === path))).toEqual([]);
  for (const path of Object.keys(UNDECLARED)) expect(signatures.has(path), path).toBe(false);
});

test('no name is public twice', () => {
  const seen = new Map<unknown, string>();
  for (const { path, kind, value } of PUBLIC) {
    if (kind === 'method') continue;
    expect(seen.get(value), path).toBe(undefined);
    seen.set(value, path);
  }
});

describe.each(walked.filter(({ path }) => signatures.has(path)).map((p) => [p.path, p] as const))('%s', (path, it) => {
  const signature = signatures.get(path)!;
  const { positional, options } = signature;
  const count = Object.keys(positional).length;
  const repeats = Object.values(positional).some((field) => 'rest' in field);

  test('what fits is taken', async () => {
    const error = await called(it, argumentsOf(path));
    expectOwn(error, path);
    if (error instanceof OptionError && (error.details.where === path || error.details.where === ''))
      expect.fail(`${path}: ${error.message}`);
  });

  test.runIf(!repeats)('a surplus argument', async () => {
    const base = argumentsOf(path);
    const all = [...base, ...new Array(count + (options ? 1 : 0) - base.length).fill(undefined)];
    expectRefused(await called(it, [...all, 6]), ['argument'], `${path} with a surplus 6`);
  });

  test.runIf(options !== null && !repeats)('an unknown option', async () => {
    const base = [...argumentsOf(path)];
    const own = base[count] as object | undefined;
    const known = Object.keys(options as Fields);
    const near = known.find((key) => key.length > 2);
    const cases: [string, string][] = [
      ['unheardOf', 'unheardOf'],
      ...(near ? [[`${near}x`, `did you mean ${near}?`] as [string, string]] : []),
    ];
    for (const [key, said] of cases) {
      base[count] = { ...own, [key]: 1 };
      expectRefused(await called(it, base), [key, said], `${path} with option ${key}`);
    }
    for (const bag of [3, 'text', [1], null, new Map(), true]) {
      base[count] = bag;
      expectRefused(await called(it, base), ['object'], `${path} with ${text(bag)} for options`);
    }
  });

  test('values of other types, and numbers of every size', async () => {
    for (const [key, field, call] of places(path, signature)) {
      const schema = field.schema as Schema | null;
      for (const value of WRONG) {
        if (typeof value === 'string' && WRITES.has(`${path} ${key}`)) continue;
        const what = `${path} with ${key}: ${text(value)}`;
        const error = await called(it, call(value));
        if (schema !== null && !fits(value, schema)) {
          // A function may stand for a number that depends on the step, or on the element; a pattern may be no text, a seed no number.
          const other = ['function', 'bigint'].includes(typeof value) ? typeof value : value instanceof RegExp ? 'RegExp' : null;
          if (other !== null && field.expected.includes(other)) expectOwn(error, what);
          else expectRefused(error, [key], what);
        } else {
          expectOwn(error, what);
        }
      }
    }
  }, 60_000);
});

// reader.test.ts: what a declared function makes of a call: values, defaults, and one clear error for what does not fit.
import { describe, expect, expectTypeOf, test } from 'vitest';
import { OptionError } from '../../lib/errors.ts';
import {
  type AtStep,
  bool,
  choice,
  either,
  fn,
  instance,
  list,
  type NumberRule,
  nearest,
  nullable,
  number,
  options,
  optionsOnly,
  type PerStep,
  Place,
  pair,
  perStep,
  record,
  rest,
  signature,
  text,
  whole,
} from '../../lib/options/index.ts';

interface StopOptions {
  readonly patience: number;
  readonly mode?: 'min' | 'max';
}
interface SampleOptions {
  readonly lr?: PerStep;
  readonly betas?: readonly [number, number];
  readonly sizes?: readonly number[];
  readonly nesterov?: boolean;
  readonly stop?: StopOptions;
  readonly axis?: number | readonly number[];
  readonly limit?: number | null;
}
const STOP = options<StopOptions>()({ patience: whole({ min: 1 }), mode: choice('min', 'max').default('min') });
const SAMPLE = signature(
  'test.sample',
  { inputs: whole({ min: 1 }), name: text.optional() },
  options<SampleOptions>()({
    lr: perStep({ min: 0 }).default(1e-3),
    betas: pair(number({ min: 0, below: 1 }), number({ min: 0, below: 1 })).default([0.9, 0.999]),
    sizes: list(whole({ min: 1 }), { min: 1 }).default([8]),
    nesterov: bool.default(false),
    stop: STOP.optional(),
    axis: either(whole(), list(whole())).default(-1),
    limit: nullable(number({ above: 0, infinite: true })).default(null),
  }),
);
function sample(..._: unknown[]): ReturnType<typeof SAMPLE> {
  return SAMPLE(arguments);
}

const refused = (call: () => unknown): OptionError => {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(OptionError);
    expect((error as OptionError).code).toBe('ERR_OPTION');
    return error as OptionError;
  }
  throw new Error('expected an OptionError');
};

test('values and defaults, typed', () => {
  const values = sample(3, undefined, { stop: { patience: 2 }, lr: (step: number) => step / 2, axis: [0, 1] });
  expect(values).toMatchObject({
    inputs: 3,
    name: undefined,
    betas: [0.9, 0.999],
    sizes: [8],
    nesterov: false,
    axis: [0, 1],
    limit: null,
  });
  expect(values.stop).toEqual({ patience: 2, mode: 'min' });
  expect(values.lr(3)).toBe(1.5);
  expect(sample(3).lr(100)).toBe(1e-3);
  expectTypeOf(values.lr).toEqualTypeOf<AtStep>();
  expect(values.lr.fixed).toBe(null);
  expect(sample(3).lr.fixed).toBe(1e-3);
  expectTypeOf(values.betas).toEqualTypeOf<readonly [number, number]>();
  expectTypeOf(values.name).toEqualTypeOf<string | undefined>();
  expectTypeOf(values.inputs).toEqualTypeOf<number>();
  expectTypeOf(values.stop?.mode).toEqualTypeOf<'min' | 'max' | undefined>();
});

test('a number at its bounds, infinite, or none', () => {
  const takes = (rule: NumberRule): number[] => {
    const field = number(rule);
    return [Number.NaN, -Infinity, -1, 0, 1, Infinity].filter((value) => {
      try {
        return Object.is(field.read(value, new Place('x', '', '')), value);
      } catch {
        return false;
      }
    });
  };
  expect(takes({ infinite: true })).toEqual([-Infinity, -1, 0, 1, Infinity]);
  expect(takes({})).toEqual([-1, 0, 1]);
  expect(takes({ min: 0, infinite: true })).toEqual([0, 1, Infinity]);
  expect(takes({ above: 0, max: 1 })).toEqual([1]);
  expect(takes({ min: -1, below: 1 })).toEqual([-1, 0]);
});

test('a field that is missing, surplus or of another type does not compile', () => {
  // @ts-expect-error: no mode
  options<StopOptions>()({ patience: whole() });
  // @ts-expect-error: no such key
  options<StopOptions>()({ patience: whole(), mode: choice('min', 'max').default('min'), mod: bool.default(false) });
  // @ts-expect-error: a choice too many
  options<StopOptions>()({ patience: whole(), mode: choice('min', 'max', 'mean').default('min') });
  // @ts-expect-error: one that may be absent has no default
  options<StopOptions>()({ patience: whole(), mode: choice('min', 'max') });
  // @ts-expect-error: one that must be given has a default
  options<StopOptions>()({ patience: whole().default(1), mode: choice('min', 'max').default('min') });
});

test.each([
  [[0], 'test.sample: argument inputs: expected a whole number >= 1, got 0'],
  [[], 'test.sample: argument inputs: expected a whole number >= 1, got nothing'],
  [['3'], 'got "3"'],
  [[2 ** 60], 'expected a whole number >= 1, got 1152921504606847000'],
  [[3, ''], 'test.sample: argument name: expected a text, got ""'],
  [[3, 'a', { lrr: 1 }], 'test.sample: unknown option lrr; did you mean lr?'],
  [[3, 'a', { sizes: [1, 2.5] }], 'test.sample: option sizes[1]: expected a whole number >= 1, got 2.5'],
  [[3, 'a', { sizes: [] }], 'test.sample: option sizes: expected a list of at least 1, got an array of 0'],
  [[3, 'a', { betas: [0.9] }], 'test.sample: option betas: expected two values, got an array of 1'],
  [[3, 'a', { betas: [0.9, 1] }], 'test.sample: option betas[1]: expected a finite number >= 0 and < 1, got 1'],
  [[3, 'a', { stop: {} }], 'test.sample: option stop.patience: expected a whole number >= 1, got nothing'],
  [[3, 'a', { stop: { patience: 1, mod: 'min' } }], 'test.sample: option stop: unknown option mod; did you mean mode?'],
  [[3, 'a', { stop: { patience: 1, mode: 'mim' } }], 'option stop.mode: expected one of min, max, got "mim"; did you mean min?'],
  [[3, 'a', { axis: 'x' }], 'option axis: expected a whole number, or a list, got "x"'],
  [[3, 'a', { axis: [0, 'x'] }], 'option axis[1]: expected a whole number, got "x"'],
  [[3, 'a', { lr: '1' }], 'option lr: expected a finite number >= 0, or a function of the step, got "1"'],
  [[3, 'a', { nesterov: 1 }], 'option nesterov: expected true or false, got 1'],
  [[3, 'a', { limit: Number.NaN }], 'option limit: expected a number > 0, got NaN'],
  [[3, 'a', { limit: 0 }], 'option limit: expected a number > 0, got 0'],
  [[3, 'a', 5], 'test.sample: expected an object of options, got 5'],
  [[3, 'a', [1]], 'test.sample: expected an object of options, got an array of 1'],
  [[3, 'a', new Map()], 'test.sample: expected an object of options, got a Map'],
  [[3, 'a', Promise.resolve()], 'test.sample: expected an object of options, got a Promise'],
  [[3, 'a', new Place('x', '', '')], 'test.sample: expected an object of options, got a Place'],
  [[3, 'a', {}, 4], 'test.sample: expected at most 3 arguments, got 4, the first surplus one 4'],
])('%j', (given, message) => {
  expect(refused(() => sample(...given)).message).toContain(message);
});

test('what a schedule gives is checked when it is asked', () => {
  const { lr } = sample(1, 'a', { lr: (step: number) => (step < 2 ? 1 : step < 3 ? Number.NaN : 'x') });
  expect(lr(1)).toBe(1);
  expect(refused(() => lr(2)).message).toBe('test.sample: option lr at step 2: expected a finite number >= 0, got NaN');
  expect(refused(() => lr(3)).message).toBe('test.sample: option lr at step 3: expected a finite number >= 0, got "x"');
});

test('an argument and an option of one name would be one value', () => {
  const both = options<{ readonly x?: number }>()({ x: number().default(0) });
  expect(() => signature('test.both', { x: number() }, both)).toThrow('test.both: x is an argument and an option');
});

test('map passes index and list', () => {
  const double = signature('test.double', { x: number() });
  function call(..._: unknown[]): number {
    return double(arguments).x * 2;
  }
  expect(call(2)).toBe(4);
  expect(refused(() => [1, 2].map(call)).message).toBe(
    'test.double: takes 1 argument, and map passes index and list too: write x => test.double(x)',
  );
  const sum = signature('test.sum', { a: number(), b: number() });
  function add(..._: unknown[]): number {
    const { a, b } = sum(arguments);
    return a + b;
  }
  expect(refused(() => [1, 2].reduce(add)).message).toContain(
    'and reduce passes index and list too: write (a, b) => test.sum(a, b)',
  );
  // With options beside: the index is no object of options.
  expect(refused(() => [1, 2].map(sample)).message).toContain('write x => test.sample(x)');
});

describe('other fields', () => {
  const at = new Place('f', 'option', 'x');
  test('functions and what classes have made', () => {
    class Net {}
    expect(refused(() => fn('a function').read(Net, at)).message).toBe('f: option x: expected a function, got class Net');
    expect(refused(() => instance('a Net', Net).read(Net, at)).message).toBe(
      'f: option x: expected a Net, got class Net; did you forget new?',
    );
    expect(instance('a Net', Net).read(new Net(), at)).toBeInstanceOf(Net);
    expect(refused(() => instance('a Net', Net).read({}, at)).message).toContain('expected a Net, got an object');
    expect(refused(() => instance('a Net', Net).read(Object.create(null), at)).message).not.toContain('copy');
    const other = ((): object => {
      class Net {}
      class Mine extends Net {}
      return new Mine();
    })();
    expect(refused(() => instance('a Net', Net).read(other, at)).message).toMatch(
      /expected a Net, got a Mine; it is of another copy of gradclip: npm ls gradclip/,
    );
  });
  test('records say the key', () => {
    expect(record(number()).read({ a: 1 }, at)).toEqual({ a: 1 });
    expect(refused(() => record(number()).read({ a: 1, b: null }, at)).message).toBe(
      'f: option x.b: expected a finite number, got null',
    );
    expect(refused(() => record(number()).read([1], at)).message).toContain('expected an object, got an array of 1');
  });
  test('any number of arguments', () => {
    const join = signature('test.join', { parts: rest(text) });
    expect(join(['a', 'b']).parts).toEqual(['a', 'b']);
    expect(refused(() => join(['a', 2])).message).toBe('test.join: argument parts[1]: expected a text, got 2');
  });
  test('a default is checked as a value is', () => {
    expect(() => whole({ min: 1 }).default(0).fallback).toThrow(OptionError);
  });
  test('nothing but options, of which one is required', () => {
    const stop = optionsOnly('test.stop', STOP);
    expect(stop([{ patience: 1 }])).toEqual({ patience: 1, mode: 'min' });
    expect(refused(() => stop([])).message).toBe('test.stop: option patience: expected a whole number >= 1, got nothing');
  });
});

test('JSON Schema', () => {
  expect(STOP.schema).toEqual({
    type: 'object',
    properties: { patience: { type: 'integer', minimum: 1 }, mode: { enum: ['min', 'max'], default: 'min' } },
    required: ['patience'],
    additionalProperties: false,
  });
  expect(either(whole(), list(number({ above: 0 }), { min: 1 })).schema).toEqual({
    anyOf: [{ type: 'integer' }, { type: 'array', items: { type: 'number', exclusiveMinimum: 0 }, minItems: 1 }],
  });
  expect(fn().schema).toBe(null);
});

test('the nearest known name', () => {
  expect(nearest('lr', ['rl'])).toBe('rl');
  expect(nearest('weightdecay', ['lr', 'momentum', 'weightDecay'])).toBe('weightDecay');
  expect(nearest('maxNorm', ['minNorm', 'p'])).toBe('minNorm');
  expect(nearest('p', ['maxNorm'])).toBe(undefined);
});

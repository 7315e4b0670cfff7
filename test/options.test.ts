// options.test.ts: unknown keys name the nearest known one; numbers, choices and booleans are checked with the option's name.
import { expect, test } from 'vitest';
import { OptionError } from '../lib/errors.ts';
import { checkBoolean, checkChoice, checkNumber, checkOptions, nearest } from '../lib/options.ts';

const message = (f: () => unknown): string => {
  try {
    f();
  } catch (e) {
    expect(e).toBeInstanceOf(OptionError);
    expect((e as OptionError).code).toBe('ERR_OPTION');
    return (e as Error).message;
  }
  throw new Error('expected an OptionError');
};

test('unknown options name the nearest known one', () => {
  const known = ['lr', 'momentum', 'weightDecay', 'nesterov'];
  expect(() => checkOptions('sgd', { lr: 1, nesterov: true }, known)).not.toThrow();
  expect(message(() => checkOptions('sgd', { momentun: 1 }, known))).toBe('sgd: unknown option momentun; did you mean momentum?');
  expect(message(() => checkOptions('sgd', { weightdecay: 1 }, known))).toMatch('did you mean weightDecay?');
  expect(message(() => checkOptions('sgd', { zzzzzz: 1 }, known))).toMatch('known options: lr, momentum');
  expect(message(() => checkOptions('none', { a: 1 }, []))).toMatch('it takes no options');
  expect(message(() => checkOptions('sgd', 3, known))).toMatch('expected an object of options, got 3');
  expect(nearest('lr', ['rl'])).toBe('rl');
  expect(nearest('maxNorm', ['minNorm', 'p'])).toBe('minNorm');
  expect(nearest('p', ['maxNorm'])).toBe(undefined);
});

test('numbers', () => {
  expect(checkNumber('a', 'b', 0, { min: 0 })).toBe(0);
  expect(checkNumber('a', 'b', Infinity, { infinite: true })).toBe(Infinity);
  for (const bad of [NaN, Infinity, '1', null, undefined, -1]) {
    expect(message(() => checkNumber('a', 'b', bad, { min: 0 }))).toMatch('a: option b: expected a finite number >= 0, got');
  }
  expect(message(() => checkNumber('a', 'b', 1, { above: 0, below: 1 }))).toMatch('> 0 and < 1, got 1');
  expect(message(() => checkNumber('a', 'b', 1.5, { integer: true }))).toMatch('whole number, got 1.5');
});

test('choices and booleans', () => {
  expect(checkChoice('a', 'nonFinite', 'skip', ['skip', 'zero'])).toBe('skip');
  expect(message(() => checkChoice('a', 'nonFinite', 'skp', ['skip', 'zero']))).toMatch('got "skp"; did you mean skip?');
  expect(checkBoolean('a', 'b', false)).toBe(false);
  expect(message(() => checkBoolean('a', 'b', 'no'))).toMatch('expected true or false, got "no"');
});

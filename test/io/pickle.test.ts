// pickle.test.ts: pickles that Python has written, as `pickle.dumps(value, 2).hex()` gives them, and some that it would not write.
import { expect, it } from 'vitest';
import { DataError } from '../../lib/errors.ts';
import { atOnce } from '../../lib/io/file/pace.ts';
import { Foreign, unpickle } from '../../lib/io/torch/pickle.ts';

const fail = (why: string, at: number): DataError => new DataError(`${why} at ${at}`);
const known = { 'math.sum': (args: readonly unknown[]): unknown => args.length };
const read = (hex: string): unknown => atOnce(unpickle(Buffer.from(hex, 'hex'), { persistent: (id) => id, known }, fail));
const text = (s: string): string => Buffer.from(s).toString('hex');
/** What `name` of `module` gives for no arguments. */
const called = (module: string, name: string): unknown => read(`8002${text(`c${module}\n${name}\n`)}2952${text('.')}`);

it.each([
  [-1, '80024affffffff2e'],
  [-128, '80024a80ffffff2e'],
  [-32768, '80024a0080ffff2e'],
  [-(2 ** 31), '80024a000000802e'],
  [-(2 ** 40), '80028a060000000000ff2e'],
  [255, '80024bff2e'],
  [2 ** 31 - 1, '80024affffff7f2e'],
  [2 ** 40, '80028a060000000000012e'],
])('%d', (value, hex) => {
  expect(Number(read(hex))).toBe(value);
});

it('what is known by its whole name alone is made; of others there is a note', () => {
  expect(called('math', 'sum')).toBe(0);
  for (const [module, name] of [
    ['evil', 'sum'],
    ['math.evil', 'sum'],
    ['evil', 'constructor'],
    ['', 'constructor'],
    ['builtins', '__proto__'],
  ] as const) {
    expect(called(module, name), `${module}.${name}`).toBeInstanceOf(Foreign);
  }
});

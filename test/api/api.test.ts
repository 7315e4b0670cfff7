// api.test.ts: what is public is what docs/api.md lists, each thing once, in one casing, and not more than a person can look through.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as gradclip from '../../lib/index.ts';
import { render, spaceOf } from './render.ts';
import { type Name, readReport } from './report.ts';

// A name is a value that a program can say: `gradclip.Trainer`, `gradclip.ops.relu`, `gradclip.ops` itself. Types are apart: whoever writes
// JavaScript never sees them, and a function's options need one.
const MOST = 490;
const MOST_OPS = 150;
/** Spaces inside a space, for those who look for them: not counted above, each with its own limit. */
const INNER = { 'nn.init': 12, 'optim.schedule': 20, 'clip.parts': 14, 'clip.parts.stage': 14 } as const;
const MOST_TYPES = 560;
/** Types in declarations that have no public name: the fewer, the better. */
const MOST_HIDDEN = 66;

const report = readReport();
const { names, twice } = report;
const values = names.filter(({ kind }) => kind !== 'type');
const inSpace = (space: string): readonly Name[] => values.filter((name) => spaceOf(name) === space);

test('docs/api.md lists it; `npm run -s api -- --update` writes it', () => {
  expect(render(report).split('\n')).toEqual(readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8').split('\n'));
});

test('what the declarations say is what a program finds', () => {
  const found = (of: object, prefix: string): string[] =>
    Object.entries(of).flatMap(([name, value]) => {
      const isSpace = Object.prototype.toString.call(value) === '[object Module]';
      return [prefix + name, ...(isSpace ? found(value, `${prefix}${name}.`) : [])];
    });
  expect(values.map(({ path }) => path).sort()).toEqual(found(gradclip, '').sort());
});

test('no thing has two names', () => {
  expect(twice).toEqual([]);
});

describe('limits', () => {
  test('of names', () => {
    const outer = values.filter((name) => !Object.hasOwn(INNER, spaceOf(name)));
    expect(outer.length).toBeLessThanOrEqual(MOST);
    expect(inSpace('ops').length).toBeLessThanOrEqual(MOST_OPS);
    expect(names.length - values.length).toBeLessThanOrEqual(MOST_TYPES);
  });
  test.each(Object.entries(INNER))('of %s', (space, most) => {
    expect(inSpace(space).length).toBeGreaterThan(0);
    expect(inSpace(space).length).toBeLessThanOrEqual(most);
  });
  test('of types without a name', () => {
    expect(new Set(names.flatMap(({ hidden }) => hidden)).size).toBeLessThanOrEqual(MOST_HIDDEN);
  });
});

describe('one casing', () => {
  const last = ({ path }: Name): string => path.slice(path.lastIndexOf('.') + 1);
  /** As a class or a type has them: `LSTM`, `CSVOptions`. */
  const INITIALISMS = [
    ...[
      'ACC',
      'ADOPT',
      'AGC',
      'AUC',
      'BCE',
      'CSV',
      'EMA',
      'GC',
      'GELU',
      'GN',
      'GPT',
      'GRU',
      'IDX',
      'JSON',
      'KL',
      'LAMB',
      'LARS',
      'LSTM',
    ],
    ...['MAE', 'MLP', 'MSE', 'NCF', 'NLL', 'NPY', 'NPZ', 'QSGD', 'RMS', 'RMSE', 'RNN', 'ROC', 'SGD', 'SPAM', 'SVG'],
  ];
  /** JavaScript's own spelling: what takes what `toJSON` gives. */
  const OTHERS = ['fromJSON'];

  test('classes and types: PascalCase, initialisms in upper case', () => {
    const wrong = names.filter((name) => {
      if (name.kind !== 'class' && name.kind !== 'type') return false;
      const words = last(name).match(/[A-Z][a-z]*/g) ?? [];
      return !/^[A-Z]\w*$/.test(last(name)) || words.some((word) => word.length > 1 && INITIALISMS.includes(word.toUpperCase()));
    });
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
  test('the rest: camelCase, an initialism is a word', () => {
    const wrong = values.filter((name) => name.kind !== 'class' && (!/^[a-z]/.test(last(name)) || /[A-Z]{2}/.test(last(name))));
    expect(wrong.map(last).filter((name) => !OTHERS.includes(name))).toEqual([]);
  });
});

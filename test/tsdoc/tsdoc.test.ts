// tsdoc.test.ts: the comment of each public name has what CONTRIBUTING.md asks for, a default is the one that a call reads, and docs/reference is what
// these comments and the library say.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as io from '../../lib/io/limits.ts';
import * as optim from '../../lib/optim/limits.ts';
import { timesDifferentiable } from '../reference/differentiate.ts';
import { VARIABLES } from '../reference/environment.ts';
import { PAGES, pageOf } from '../reference/make.ts';
import { check, faults } from './check.ts';
import { literalsOf } from './literals.ts';
import type { Documented } from './read.ts';
import { missingOf } from './rules.ts';

const checked = check();

test('every public name: what it is, shapes, defaults, units, errors, source', () => {
  expect(checked.items.length).toBeGreaterThan(1500);
  expect(faults(checked)).toEqual([]);
});

test('@shape names the tensors of a result as its type does', () => {
  const { items } = checked;
  const membersOf = (name: string): string[] => {
    const type = items.find(({ path, kind }) => kind === 'type' && path.split('.').at(-1) === name);
    if (!type) return [];
    const own = items.filter(({ path, code }) => path.startsWith(`${type.path}.`) && code.endsWith(': Tensor;'));
    return [...own.map(({ path }) => path.slice(type.path.length + 1)), ...type.bases.flatMap(membersOf)].sort();
  };
  const results = items.flatMap((item) => {
    const { code } = item.kind === 'class' ? (items.find(({ path }) => path === `${item.path}.forward`) ?? item) : item;
    const members = membersOf(/\): (\w+) \{/.exec(code)?.[1] ?? '');
    const shape = item.tags.find(({ name }) => name === 'shape')?.text;
    return shape && members.length > 0 ? [{ path: item.path, shape, members }] : [];
  });
  expect(results.map(({ path }) => path)).toEqual(expect.arrayContaining(['ops.batchNorm', 'ops.gru', 'nn.LSTM']));
  for (const { path, shape, members } of results) {
    const said = /-> \{([^}]*)\}/
      .exec(shape)?.[1]
      ?.replace(/\[[^\]]*\]/g, '')
      .split(/,|\band\b/);
    expect([path, said?.map((name) => name.trim()).sort()]).toEqual([path, members]);
  }
});

describe('docs/reference', () => {
  const read = (file: string): string => readFileSync(file, 'utf8');
  const sources = (folders: readonly string[], pattern: RegExp): string[] =>
    folders.flatMap((folder) =>
      (readdirSync(folder, { recursive: true }) as string[])
        .filter((name) => /\.(?:ts|cc|h)$/.test(name))
        .flatMap((name) => Array.from(read(`${folder}/${name}`).matchAll(pattern), ([, found]) => found!)),
    );

  test('its pages are those of the library; `npm run -s docs:reference` writes them', () => {
    expect(readdirSync('docs/reference').sort()).toEqual(
      Object.keys(PAGES)
        .map((name) => `${name}.md`)
        .sort(),
    );
    for (const name of Object.keys(PAGES)) expect(pageOf(name, checked.items)).toBe(read(`docs/reference/${name}.md`));
  });

  test('what is given by its place stands before what is given by name, and nothing is left out where no tensor is taken', () => {
    const row = (page: string, name: string): string =>
      read(`docs/reference/${page}.md`)
        .split('\n')
        .find((line) => line.startsWith(`| \`${name}\` |`))!;
    expect(row('schedules', 'cosine')).toContain('`initial`, `{ steps, min = 0, repeat = false }`');
    expect(row('layers', 'Conv2d')).toContain('`inChannels`, `outChannels`, `kernelSize`, `{ stride = 1, ');
    expect(row('ops', 'softmax')).toContain('| `{ axis = -1 }` |');
    expect(row('layers', 'LayerNorm')).toContain('`normalizedShape`, `{ eps');
  });

  test('every variable of the environment that is read is in it, and no other', () => {
    const variables = sources(['lib', 'binding'], /(?:process\.env\.|\benvironment\(")(GRADCLIP_\w+)/g);
    expect([...new Set(variables)].sort()).toEqual(Object.keys(VARIABLES).sort());
  });

  test('so is every code of an error', () => {
    const codes = sources(['lib', 'binding'], /(?:Error\(|super\(|raise\(env, |abort\(env, )['"]((?:ERR|ABORT)_\w+)/g);
    expect(codes).toEqual(expect.arrayContaining(['ERR_OPTION', 'ERR_MEMORY', 'ABORT_ERR']));
    for (const code of codes) expect(read('docs/reference/errors.md')).toContain(`\`${code}\``);
  });

  test('so is every limit', () => {
    for (const name of [...Object.keys(io), ...Object.keys(optim)])
      expect(read('docs/reference/limits.md')).toContain(`\`${name}\``);
  });

  test('how often something can be differentiated', () => {
    expect(['mul', 'softmax', 'attention', 'sign', 'argmax'].map(timesDifferentiable)).toEqual(['any', 'any', '1', '0', '0']);
  });
});

test.each<[string, unknown[]]>([
  ['Default 1e-4.', [1e-4]],
  ['Default 1 / 3: a third.', [1 / 3]],
  ['Default [0.9, 0.99].', [[0.9, 0.99]]],
  ["Default 'none', exact.", ['none']],
  ['Default `mean`.', ['mean']],
  ['Default 65,536 tokens, or 2^-23; 64 GiB.', [65536, 2 ** -23, 64 * 2 ** 30]],
  ['Default Infinity, -Infinity, false or null.', [Infinity, -Infinity, false, null]],
])('%s', (text, values) => {
  expect(literalsOf(text)).toEqual(values);
});

/** What an item lacks, in words. */
function lacks(item: Partial<Documented>, taker?: string): string[] {
  const whole: Documented = {
    ...{ path: '', kind: 'function', text: 'Adds two numbers.', tags: [], file: '', code: '', optional: false, bases: [] },
    ...item,
  };
  const options = taker ? [{ taker, key: whole.path.split('.').at(-1)!, item: whole.path }] : [];
  return [...(missingOf({ items: [whole], options }, new Map()).get(whole.path) ?? new Map()).values()];
}

test('what is refused, and what is not', () => {
  const property = { kind: 'property', optional: true } as const;
  const lr = { ...property, path: 'optim.LionOptions.lr' };
  expect(lacks({ ...lr, text: 'Learning rate. Default 1e-4.' }, 'optim.lion')).toEqual([]);
  expect(lacks({ ...lr, text: 'Learning rate. Default 1e-3.' }, 'optim.lion')).toEqual(['Default 0.0001']);
  expect(lacks({ ...lr, text: 'Learning rate.' }, 'optim.lion')).toEqual(['Default']);
  expect(lacks({ ...lr, text: 'Default 1e-4.' }, 'optim.lion')).toEqual(['a sentence that says what it is']);
  // An object is no value that a comment can spell: what it comes to stands there in words.
  const rollback = { ...property, path: 'TrainerOptions.rollback' };
  expect(lacks({ ...rollback, text: 'Snapshots of weights. Default: every 100 steps.' }, 'Trainer')).toEqual([]);
  expect(lacks({ path: 'f', text: 'The same over images.' })).toEqual(['a sentence of its own: not "The same"']);
  expect(lacks({ path: 'f', text: 'Adds two numbers' })).toEqual(['a full stop']);
  expect(lacks({ path: 'f', code: "function f(): void {\n throw new DataError('no')" })).toEqual(['@throws DataError']);
  expect(
    lacks({ path: 'grad', code: 'function grad(x: Tensor): Tensor {\n', tags: [{ name: 'throws', text: 'OptionError' }] }),
  ).toEqual(['@shape']);
  const see = (text: string): string[] => lacks({ path: 'ops.f', tags: [{ name: 'see', text }] });
  expect(see('torch.relu')).toEqual([]);
  expect(see('Chen et al. 2023, Symbolic Discovery of Optimization Algorithms')).toEqual([]);
  expect(see('gradclip')).toEqual([]);
  expect(see('the paper')).toEqual(['@see']);
  expect(lacks({ ...property, path: 'FitOptions.steps', text: 'How many. Default: no limit.', code: 'steps?: number' })).toEqual([
    'what it counts: steps, rows, bytes, ...',
  ]);
});

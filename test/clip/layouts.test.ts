// layouts.test.ts: calls of PyTorch, TensorFlow and Keras that name axes, and what docs/CLIPPING.md says they are here: each row of its table, tried in
// the layout of weights that each has (golden/clip/make_axes.py).
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { clip, constraint, optim } from '../../lib/index.ts';
import { sizeOf } from '../../lib/ir/op.ts';

type Of = 'Dense' | 'Conv2D' | 'Embedding' | 'bias' | 'Linear' | 'Conv2d';
interface Case {
  readonly call: string;
  readonly of: Of;
  readonly values: readonly number[];
}
const file = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const { cases } = JSON.parse(file('../golden/clip/axes.json')) as { cases: Case[] };

/** Their shape, and the dimension of theirs that each of ours is. */
const LAYOUTS: Readonly<Record<Of, { readonly shape: readonly number[]; readonly ours: readonly number[] }>> = {
  Dense: { shape: [3, 4], ours: [1, 0] },
  Conv2D: { shape: [2, 3, 2, 3], ours: [3, 2, 0, 1] },
  Embedding: { shape: [5, 3], ours: [0, 1] },
  bias: { shape: [4], ours: [0] },
  Linear: { shape: [4, 3], ours: [0, 1] },
  Conv2d: { shape: [3, 2, 2, 3], ours: [0, 1, 2, 3] },
};

/** For each element of ours, where it stands in theirs. */
function places({ shape, ours }: { readonly shape: readonly number[]; readonly ours: readonly number[] }): number[] {
  const stride = shape.map((_, d) => sizeOf(shape.slice(d + 1)));
  const dims = ours.map((d) => shape[d]!);
  return Array.from({ length: sizeOf(shape) }, (_, i) => {
    let place = 0;
    for (let k = dims.length - 1, rest = i; k >= 0; rest = Math.floor(rest / dims[k]!), k--)
      place += (rest % dims[k]!) * stride[ours[k]!]!;
    return place;
  });
}

type Rule = clip.ClipPolicy | constraint.Constraint;
/** The rows of the table: what stands in its last column is run. */
function table(): { readonly call: string; readonly of: Of; readonly code: string }[] {
  const page = file('../../docs/CLIPPING.md');
  const part = page.slice(page.indexOf('### What others call it'));
  const rows = Array.from(part.matchAll(/^\| `([^`]+)` \| (\w+)[^|]*\| `([^`]+)` \|$/gm));
  return rows.map(([, call, of, code]) => ({ call: call!, of: of as Of, code: code! }));
}
const made = (code: string): Rule => new Function('clip', 'constraint', `return ${code}`)(clip, constraint) as Rule;

function run(rule: Rule, x: Float32Array, shape: readonly number[]): Float32Array {
  const shapes = [[...shape]];
  if ('build' in rule) {
    const p = new Float32Array(x.length);
    const bound = optim.sgd({ lr: 1 }).bind([p], { clip: rule, shapes });
    bound.step([x]);
    bound.dispose();
    return p.map((v) => -v);
  }
  const p = x.slice();
  const bound = optim.sgd({ lr: 0 }).bind([p], { constraints: [{ match: '*', constraint: rule }], shapes });
  bound.step([new Float32Array(x.length)]);
  bound.dispose();
  return p;
}

test('the table of the page has each call that was recorded, and no other', () => {
  const names = (all: readonly { call: string; of: string }[]): string[] => all.map(({ call, of }) => `${call} of ${of}`).sort();
  expect(names(table())).toEqual(names(cases));
});

test.each(table())('$call of $of is $code', ({ call, of, code }) => {
  const want = cases.find((c) => c.call === call && c.of === of)!.values;
  const layout = LAYOUTS[of];
  const at = places(layout);
  const theirs = Float32Array.from({ length: at.length }, (_, i) => (((i * 37 + 11) % 127) - 63) / 32);
  const ours = run(
    made(code),
    Float32Array.from(at, (place) => theirs[place]!),
    layout.ours.map((d) => layout.shape[d]!),
  );
  for (const [i, place] of at.entries()) {
    expect(Math.abs(ours[i]! - want[place]!), `element ${i}`).toBeLessThanOrEqual(2 ** -21 * Math.abs(want[place]!));
  }
  // The call does something.
  expect(want.some((v, i) => Math.abs(v - theirs[i]!) > 1e-3)).toBe(true);
});

// torch-losses.test.ts: PyTorch's own table of its loss modules: all of its cases with a counterpart here, values and gradients (golden/parity/torch-losses.json,
// made by make_torch_losses.py); of the other modules the reason why there is none.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Tensor } from '../../lib/ir/graph.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { type Build, close, of, run, type Values } from './loss-kit.ts';

interface Case {
  readonly module: string;
  readonly loss: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly ins: readonly Values[];
  readonly value: number[];
  readonly grads: number[][];
}
const { cases, modules } = JSON.parse(readFileSync(new URL('../golden/parity/torch-losses.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly Case[];
  readonly modules: readonly string[];
};

const WITHOUT: Readonly<Record<string, string>> = {
  LinearCrossEntropyLoss: 'a layer and its loss in one: the compiler makes that of the two (fuse-losses.ts)',
};

test('every module of the table has cases, or a reason', () => {
  const there = new Set(cases.map(({ module }) => module));
  expect(modules.filter((module) => !there.has(module))).toEqual(Object.keys(WITHOUT));
  expect(cases.length).toBeGreaterThan(200);
});

describe.each([...new Set(cases.map(({ module }) => module))])('%s', (module) => {
  const own = cases.filter((one) => one.module === module);
  test.each(own.map((one, i) => [i, JSON.stringify(one.options), one.ins.map(({ shape }) => `[${shape}]`).join(), one] as const))(
    '#%i %s %s',
    (_, _options, _shapes, { loss: name, options, ins, value, grads }) => {
      // The order of the arguments is PyTorch's; `of` puts what has gradients first.
      const build: Build =
        name === 'gaussianNll' ? (x: Tensor, t: Tensor, v: Tensor) => loss.gaussianNll(x, t, v, options) : of(name, options);
      const { exact, native } = run(ins, build, grads.length);
      for (const [i, want] of [value, ...grads].entries()) {
        close(exact[i]!, want, 2e-8);
        close(native[i]!, want, 2e-5);
      }
    },
  );
});

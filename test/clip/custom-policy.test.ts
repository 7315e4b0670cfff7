// custom-policy.test.ts: the policy of examples/custom-policy.ts is one like those of the library.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { growth, main } from '../../examples/custom-policy.ts';
import { OptionError } from '../../lib/errors.ts';
import * as optim from '../../lib/optim/index.ts';
import { f32 } from './kit.ts';

test('clips to k times the norm before, and keeps that norm', () => {
  const bound = optim.sgd({ lr: 1 }).bind([f32(0, 0)], { clip: growth(2) });
  const after = [f32(3, 4), f32(30, 40), f32(NaN, 1), f32(300, 400), f32(0.6, 0.8)].map((g) => bound.step([g]).normAfter);
  expect(after).toEqual([5, 10, 0, 20, 1].map((n) => expect.closeTo(n, 6)));
  expect(bound.state().tensors['clip.last']![0]).toBeCloseTo(1, 6);
  expect(() => growth(0.5)).toThrow(OptionError);
  expect(() => growth(2, { skip: true } as never)).toThrow('skip');
});

test('trains, and goes on from a checkpoint', async () => {
  const losses = await main(join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'custom.safetensors'));
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
});

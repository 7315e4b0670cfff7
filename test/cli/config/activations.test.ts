// activations.test.ts: which activations a configuration may name: all layers that give as many values as they are given.
import { expect, it, test } from 'vitest';
import { checkConfig } from '../../../lib/cli/config/config.ts';
import { type MLPConfig, makeModel } from '../../../lib/cli/config/models.ts';
import * as bounded from '../../../lib/nn/layers/activations/bounded.ts';
import * as rectifiers from '../../../lib/nn/layers/activations/rectifiers.ts';
import * as smooth from '../../../lib/nn/layers/activations/smooth.ts';
import * as usual from '../../../lib/nn/layers/activations/usual.ts';
import type { Sequential } from '../../../lib/nn/layers/sequential.ts';
import { Module } from '../../../lib/nn/module/module.ts';
import * as ops from '../../../lib/ops/index.ts';

const LAYERS = Object.entries({ ...bounded, ...rectifiers, ...smooth, ...usual }).filter(
  ([, f]) => f.prototype instanceof Module,
);
/** The name that an operation has, by that of its layer. */
const NAMES = new Map(Object.keys(ops).map((name) => [name.toLowerCase(), name]));

function made(activation: string): Module {
  const config = { type: 'mlp', sizes: [2, 3, 1], hidden: null, embedding: null, embeddings: [], activation, dropout: 0 };
  return makeModel(config as unknown as MLPConfig, { row: [2], tokens: null, length: null });
}

test.each(LAYERS.filter(([name]) => name !== 'GLU'))('%s', (layer, of) => {
  const name = NAMES.get(layer.toLowerCase())!;
  const [, second] = (made(name) as Sequential).layers.map(([, inner]) => inner);
  expect(second).toBeInstanceOf(of);
  const config = {
    data: { type: 'csv', file: 'a.csv' },
    model: { type: 'mlp', sizes: [2, 3, 2], activation: name },
    optimizer: { type: 'sgd', lr: 0.1 },
    epochs: 1,
  };
  expect(checkConfig(config).model).toMatchObject({ activation: name });
});

it('is more than a few', () => {
  expect(LAYERS.length).toBeGreaterThan(20);
});

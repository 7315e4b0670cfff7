// large-shapes.test.ts: shapes beyond those of the ops' samples, where kernels cut their work in other ways (parts of images, bands,
// shared columns, blocks of keys): the same bits on teams of any size and on each instruction set.
import { expect, test } from 'vitest';
import { Graph } from '../../lib/ir/graph.ts';
import { f32, f64, i32, type Sample, type TensorType } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { ALL_OPS } from '../../lib/optim/list.ts';
import { TEAMS } from '../kit.ts';
import { fillSample } from '../run-graph.ts';
import { runNode, sameBits } from '../run-node.ts';

type Case = readonly [op: string, ins: TensorType[], attrs: unknown, fill?: Sample<unknown>['fill']];

const conv = { stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1 };
const strided = { ...conv, stride: [2, 2] };
const volume = { stride: [1, 1, 1], padding: [1, 1, 1, 1, 1, 1], dilation: [1, 1, 1], groups: 1 };
const x = f32(40, 16, 14, 14);
const CONV: Case[] = [
  ['conv2d', [x, f32(33, 16, 3, 3), f32(33)], conv],
  ['conv2d', [x, f32(40, 16, 3, 3)], strided],
  ['conv2d', [f32(3, 3, 70, 90), f32(6, 3, 5, 5)], conv],
  ['conv2d', [f32(9, 64, 9, 9), f32(64, 1, 3, 3)], { ...conv, groups: 64 }],
  ['conv2d', [f32(3, 5, 40, 70), f32(5, 1, 3, 3), f32(5)], { ...conv, groups: 5 }],
  ['conv2dGradInput', [f32(3, 5, 20, 35), f32(5, 1, 3, 3)], { ...strided, groups: 5, size: [40, 70] }],
  ['conv2dGradWeight', [f32(9, 5, 40, 70), f32(9, 5, 40, 70)], { ...conv, groups: 5, kernel: [3, 3], bias: true }],
  ['conv2dGradInput', [f32(40, 33, 14, 14), f32(33, 16, 3, 3)], { ...conv, size: [14, 14] }],
  ['conv2dGradInput', [f32(40, 33, 7, 7), f32(33, 16, 3, 3)], { ...strided, size: [14, 14] }],
  ['conv2dGradInput', [f32(3, 20, 35, 41), f32(20, 9, 3, 3), f32(9)], { ...strided, size: [69, 82] }],
  ['conv2dGradWeight', [x, f32(40, 33, 14, 14)], { ...conv, kernel: [3, 3], bias: true }],
  ['conv2dGradWeight', [x, f32(40, 33, 7, 7)], { ...strided, kernel: [3, 3], bias: true }],
  ['conv2dGradWeight', [f32(40, 70, 9, 9), f32(40, 34, 9, 9)], { ...conv, padding: [0, 0, 0, 0], kernel: [1, 1], bias: true }],
  ['conv3d', [f32(2, 33, 5, 20, 21), f32(40, 33, 3, 3, 3), f32(40)], volume],
  ['conv3d', [f32(2, 3, 9, 40, 50), f32(6, 3, 3, 3, 3)], { ...volume, stride: [2, 2, 2] }],
  ['conv3dGradInput', [f32(2, 40, 5, 20, 21), f32(40, 17, 3, 3, 3)], { ...volume, size: [5, 20, 21] }],
  ['conv3dGradInput', [f32(2, 20, 5, 14, 15), f32(20, 9, 3, 3, 3), f32(9)], { ...volume, stride: [2, 2, 2], size: [9, 27, 30] }],
  ['conv3dGradWeight', [f32(2, 33, 6, 20, 21), f32(2, 40, 6, 20, 21)], { ...volume, kernel: [3, 3, 3], bias: true }],
  ['conv3dGradWeight', [f32(2, 6, 6, 40, 41), f32(2, 3, 6, 40, 41)], { ...volume, groups: 3, kernel: [3, 3, 3], bias: true }],
  ['conv2dGradWeight', [f32(5, 3, 70, 90), f32(5, 3, 68, 88)], { ...conv, kernel: [5, 5], bias: true }],
];

const BATCH_NORM: Case[] = [false, true].flatMap((relu): Case[] => {
  const wide = f32(64, 3, 28, 28);
  const mask = relu ? 'own' : 'all';
  return [
    ['batchNorm', [wide, f32(3), f32(3)], { eps: 1e-5, affine: true, sum: false, relu }],
    ['batchNorm', [f32(3000, 37), f32(37), f32(37)], { eps: 1e-5, affine: true, sum: false, relu }],
    ['batchNorm', [f32(2, 2, 150, 150)], { eps: 1e-5, affine: false, sum: false, relu }],
    [
      'batchNormGrad',
      [wide, f64(3), f64(3), wide, f32(3), f32(3)],
      { eps: 1e-5, affine: true, mask },
      ['normal', 'normal', [1, 2]],
    ],
  ];
});

const T = 200;
const statistics = f32(6, 2, T);
const ATTENTION: Case[] = [true, false].flatMap((causal): Case[] => {
  const attrs = { layout: 'heads', heads: 3, kvHeads: 3, causal, mask: !causal, scale: 0.2, rate: 0.2, key: 3 };
  const bf16 = { ...attrs, bf16: true };
  const tensors = [f32(2, 3, T, 24), f32(2, 3, T, 24), f32(2, 3, T, 24), ...(causal ? [] : [f32(T, T)])];
  const grads = [f32(2, 3, T, 24), statistics, f32(2, 3, T, 24)];
  return [
    ['attention', tensors, attrs],
    ['attentionGrad', [...grads, ...tensors], attrs],
    ['attention', tensors, bf16],
    ['attentionGrad', [...grads, ...tensors], bf16],
  ];
});

const [B, S, H] = [70, 4, 256];
const RECURRENT: Case[] = [false, true].flatMap((reverse): Case[] => {
  const attrs = { reverse, lengths: true };
  const [hs, row, lengths] = [f32(B, S, H), f32(B, H), i32(B)];
  const fill = (n: number): Sample<unknown>['fill'] => [...Array<'normal'>(n).fill('normal'), [0, S + 1]];
  const grads = { states: true, last: true, cell: true };
  return [
    ['rnn', [hs, row, f32(H, H), lengths], { ...attrs, nonlinearity: 'tanh' }, fill(3)],
    ['rnnGrad', [hs, row, f32(H, H), hs, row, lengths], { ...attrs, ...grads, nonlinearity: 'tanh' }, fill(5)],
    ['lstm', [f32(B, S, 4 * H), row, row, f32(4 * H, H), lengths], attrs, fill(4)],
    ['lstmGrad', [hs, row, row, f32(4 * H, H), f32(B, S, 4 * H), hs, hs, row, row, lengths], { ...attrs, ...grads }, fill(9)],
    ['gru', [f32(B, S, 3 * H), row, f32(3 * H, H), f32(3 * H), lengths], attrs, fill(4)],
    ['gruGrad', [hs, row, f32(3 * H, H), f32(B, S, 3 * H), hs, hs, row, lengths], { ...attrs, ...grads }, fill(7)],
    // All steps of whole groups.
    ['rnn', [hs, row, f32(H, H)], { reverse, lengths: false, nonlinearity: 'tanh' }],
    ['rnnGrad', [hs, row, f32(H, H), hs, row], { reverse, ...grads, lengths: false, nonlinearity: 'tanh' }],
    ['gruGrad', [hs, row, f32(3 * H, H), f32(B, S, 3 * H), hs, hs, row], { reverse, ...grads, lengths: false }],
    // Few rows: threads share columns.
    ['lstm', [f32(3, S, 4 * H), f32(3, H), f32(3, H), f32(4 * H, H)], { reverse, lengths: false }],
    ['gru', [f32(3, S, 3 * H), f32(3, H), f32(3 * H, H), f32(3 * H)], { reverse, lengths: false }],
  ];
});

const offsets = Array.from({ length: 50 }, (_, i) => i * i);
const line = { dims: 1, eps: 1e-5, weight: true, bias: true };
const rows = f32(1000, 65);
const OTHERS: Case[] = [
  ['layerNorm', [rows, f32(65), f32(65)], line],
  ['layerNormGrad', [rows, f32(1000, 3), rows, f32(65)], line],
  ['embeddingBag', [f32(500, 65), i32(3000), i32(50)], { mode: 'mean', padding: 3 }, ['normal', [0, 500], { exactly: offsets }]],
  [
    'maxPool',
    [f32(20, 5, 31, 33)],
    { kernel: [3, 3], stride: [2, 2], padding: [1, 1], dilation: [1, 1], ceil: false, relu: false },
  ],
  [
    'augment',
    [f32(100, 3, 20, 24)],
    { shift: 5, border: 'reflect', horizontal: 0.5, vertical: 0.5, cutout: 7, cutoutProbability: 0.5, fill: 0.5, key: 4 },
  ],
];

const CASES: Case[] = [...CONV, ...BATCH_NORM, ...ATTENTION, ...RECURRENT, ...OTHERS];

test.each(CASES.map(([op, ins, attrs, fill]) => ({ op, ins, attrs, fill })))(
  '$op $ins $attrs',
  ({ op: name, ins, attrs, fill }) => {
    const graph = new Graph('train');
    // biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
    const op = ALL_OPS.find((o) => o.name === name)! as any;
    const node = graph.add(
      op,
      ins.map((type, i) => graph.input(`x${i}`, type, 'feed')),
      attrs,
    );
    const data = fillSample({ ins, attrs, ...(fill && { fill }) }, 5);
    const run = (isa: string, threads: number): ReturnType<typeof runNode> =>
      runNode(node, data, { isa, threads, seed: 9n, attempt: 2 });
    for (const isas of [addon().isas.filter((isa) => isa !== 'x86_64'), ['x86_64']]) {
      if (isas.length === 0) continue;
      const truth = run(isas[0]!, 1);
      for (const isa of isas)
        for (const threads of [1, ...TEAMS])
          expect(sameBits(run(isa, threads), truth), `${isa} with ${threads} threads`).toBe(true);
    }
  },
);

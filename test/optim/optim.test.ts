// optim.test.ts: optimizers against their published formulas in f64, options, and groups that share one norm.
import { describe, expect, test } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { compile } from '../../lib/compile/compile.ts';
import { OptionError } from '../../lib/errors.ts';
import { Graph, type State } from '../../lib/ir/graph.ts';
import { pow } from '../../lib/math/index.ts';
import { target } from '../../lib/native/program.ts';
import { ApplyStates, buildApply } from '../../lib/optim/apply/apply.ts';
import * as optim from '../../lib/optim/index.ts';
import { norm } from '../clip/kit.ts';
import { runGraph } from '../run-graph.ts';

const { schedule } = optim;
const N = 1037;
const GRADIENTS = Array.from({ length: 25 }, (_, step) =>
  Float32Array.from({ length: N }, (_, i) => Math.sin(i * 0.7 + step * 1.3) / (1 + (i % 5))),
);
const gradient = (step: number): Float32Array => GRADIENTS[step]!;
const start = (): Float32Array => Float32Array.from({ length: N }, (_, i) => Math.cos(i));

type Formula = (p: number[], grad: (step: number) => ArrayLike<number>, steps: number) => void;
const sgd =
  (o: { lr: (t: number) => number; momentum?: number; dampening?: number; decay?: number; nesterov?: boolean }): Formula =>
  (p, grad, steps) => {
    const { momentum = 0, dampening = 0, decay = 0 } = o;
    const buffer = p.map(() => 0);
    for (let t = 0; t < steps; t++) {
      for (let i = 0; i < p.length; i++) {
        let g = grad(t)[i]! + decay * p[i]!;
        if (momentum > 0) {
          buffer[i] = t === 0 ? g : momentum * buffer[i]! + (1 - dampening) * g;
          g = o.nesterov ? g + momentum * buffer[i]! : buffer[i]!;
        }
        p[i]! -= o.lr(t) * g;
      }
    }
  };
const adam =
  (o: { lr: (t: number) => number; betas?: [number, number]; eps?: number; l2?: number; decoupled?: number }): Formula =>
  (p, grad, steps) => {
    const { betas: [b1, b2] = [0.9, 0.999], eps = 1e-8, l2 = 0, decoupled = 0 } = o;
    const m = p.map(() => 0);
    const v = p.map(() => 0);
    for (let t = 0; t < steps; t++) {
      for (let i = 0; i < p.length; i++) {
        p[i]! *= 1 - o.lr(t) * decoupled;
        const g = grad(t)[i]! + l2 * p[i]!;
        m[i] = b1 * m[i]! + (1 - b1) * g;
        v[i] = b2 * v[i]! + (1 - b2) * g * g;
        const [mhat, vhat] = [m[i]! / (1 - b1 ** (t + 1)), v[i]! / (1 - b2 ** (t + 1))];
        p[i]! -= (o.lr(t) * mhat) / (Math.sqrt(vhat) + eps);
      }
    }
  };
const always = (lr: number) => () => lr;
const halving = schedule.step(0.1, { size: 5, gamma: 0.5 });

const CASES: [string, optim.Optimizer, Formula][] = [
  ['sgd', optim.sgd({ lr: 0.1 }), sgd({ lr: always(0.1) })],
  ['sgd, default rate', optim.sgd(), sgd({ lr: always(1e-3) })],
  ['sgd, weight decay', optim.sgd({ lr: 0.1, weightDecay: 0.1 }), sgd({ lr: always(0.1), decay: 0.1 })],
  ['sgd, momentum', optim.sgd({ lr: 0.1, momentum: 0.9 }), sgd({ lr: always(0.1), momentum: 0.9 })],
  [
    'sgd, dampening and decay',
    optim.sgd({ lr: 0.1, momentum: 0.9, dampening: 0.3, weightDecay: 0.01 }),
    sgd({ lr: always(0.1), momentum: 0.9, dampening: 0.3, decay: 0.01 }),
  ],
  [
    'sgd, nesterov',
    optim.sgd({ lr: 0.1, momentum: 0.9, nesterov: true }),
    sgd({ lr: always(0.1), momentum: 0.9, nesterov: true }),
  ],
  ['sgd, schedule', optim.sgd({ lr: halving, momentum: 0.5 }), sgd({ lr: halving, momentum: 0.5 })],
  ['adam', optim.adam(), adam({ lr: always(1e-3) })],
  ['adam, weight decay', optim.adam({ lr: 0.01, weightDecay: 0.1 }), adam({ lr: always(0.01), l2: 0.1 })],
  [
    'adam, other betas',
    optim.adam({ lr: 0.01, betas: [0.4, 0.9], eps: 1e-3 }),
    adam({ lr: always(0.01), betas: [0.4, 0.9], eps: 1e-3 }),
  ],
  ['adam, no betas', optim.adam({ lr: 0.01, betas: [0, 0] }), adam({ lr: always(0.01), betas: [0, 0] })],
  ['adamw', optim.adamw(), adam({ lr: always(1e-3), decoupled: 0.01 })],
  ['adamw, schedule', optim.adamw({ lr: halving, weightDecay: 0.2 }), adam({ lr: halving, decoupled: 0.2 })],
];

test.each(CASES)('%s: 25 steps of the formula', (_, optimizer, formula) => {
  const p = start();
  const bound = optimizer.bind([p], { clip: clip.none({ measure: false }) });
  for (let t = 0; t < 25; t++) bound.step([gradient(t)]);
  const want = Array.from(start());
  formula(want, gradient, 25);
  const worst = p.reduce((w, v, i) => Math.max(w, Math.abs(v - want[i]!) / Math.max(0.1, Math.abs(want[i]!))), 0);
  expect(worst).toBeLessThan(2e-5);
});

test('weight decay of SGD and Adam is added after the clip', () => {
  const p = [Float32Array.from([100])];
  optim
    .sgd({ lr: 1, weightDecay: 0.5 })
    .bind(p, { clip: clip.globalNorm(1) })
    .step([Float32Array.from([10])]);
  expect(p[0]![0]).toBe(100 - (1 + 50));
});

test('slots are named as in PyTorch', () => {
  const type = { dtype: 'f32', shape: [2, 3] } as const;
  const names = (o: optim.Optimizer): string[] => o.slots(type).map((s) => s.name);
  expect(names(optim.sgd())).toEqual([]);
  expect(names(optim.sgd({ momentum: 0.9 }))).toEqual(['momentum_buffer']);
  expect(names(optim.adam())).toEqual(['exp_avg', 'exp_avg_sq']);
  expect(names(optim.adamw({ amsgrad: true }))).toEqual(['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq']);
  expect(names(optim.rmsprop({ centered: true, momentum: 0.5 }))).toEqual(['square_avg', 'grad_avg', 'momentum_buffer']);
  expect(names(optim.adadelta())).toEqual(['square_avg', 'acc_delta']);
  expect(names(optim.adamax())).toEqual(['exp_avg', 'exp_inf']);
  expect(optim.adagrad({ initialAccumulatorValue: 3 }).slots(type)).toEqual([{ name: 'sum', type, init: 3 }]);
  expect(optim.adamw().slots(type)[0]!.type).toEqual(type);
});

describe('options', () => {
  const wrong: [string, () => unknown][] = [
    ['lr', () => optim.sgd({ lr: -1 })],
    ['lr', () => optim.adamw({ lr: NaN })],
    ['lr', () => optim.adam({ lr: '0.1' as never })],
    ['momentum', () => optim.sgd({ momentum: -0.1 })],
    ['weightDecay', () => optim.sgd({ weightDecay: -1 })],
    ['weightDecay', () => optim.adamw({ weightDecay: -1 })],
    ['nesterov', () => optim.sgd({ nesterov: true })],
    ['nesterov', () => optim.sgd({ nesterov: true, momentum: 0.9, dampening: 0.1 })],
    ['betas', () => optim.adam({ betas: [0.9] as never })],
    ['betas[0]', () => optim.adam({ betas: [1, 0.999] })],
    ['betas[1]', () => optim.adamw({ betas: [0.9, -0.1] })],
    ['eps', () => optim.adam({ eps: -1 })],
    ['lrDecay', () => optim.adagrad({ lrDecay: -1 })],
    ['alpha', () => optim.rmsprop({ alpha: 1.1 })],
    ['centered', () => optim.rmsprop({ centered: 1 as never })],
    ['rho', () => optim.adadelta({ rho: -0.1 })],
    ['betas', () => optim.adamax({ betas: 0.9 as never })],
    ['momentumDecay', () => optim.nadam({ momentumDecay: NaN })],
    ['decoupledWeightDecay', () => optim.radam({ decoupledWeightDecay: 'yes' as never })],
    ['betas[1]', () => optim.lion({ betas: [0.9, 1] })],
    ['clip', () => optim.adopt({ clip: -1 })],
    ['alpha', () => optim.acclip({ alpha: 3 })],
    ['threshold', () => optim.spam({ threshold: 0 })],
    ['resetEvery', () => optim.spam({ resetEvery: 0.5 })],
    ['amsgrad', () => optim.adamw({ amsgrad: 'true' as never })],
    ['momentun; did you mean momentum?', () => optim.sgd({ momentun: 0.9 } as never)],
    ['weight_decay; did you mean weightDecay?', () => optim.adamw({ weight_decay: 0.1 } as never)],
  ];
  test.each(wrong)('%s', (name, make) => {
    expect(make).toThrow(OptionError);
    expect(make).toThrow(name);
  });

  test('a schedule is checked in every step', () => {
    const bound = optim.sgd({ lr: (step) => 1 - step }).bind([new Float32Array(1)]);
    bound.step([new Float32Array(1)]);
    bound.step([new Float32Array(1)]);
    expect(() => bound.step([new Float32Array(1)])).toThrow(
      'optim.sgd: option lr at step 2: expected a finite number >= 0, got -1',
    );
  });
});

describe('groups', () => {
  const states = ['a', 'b', 'c'].map(
    (name, i): State => ({
      name,
      type: { dtype: 'f32', shape: [2 + i] },
      init: (out) => out.fill(1),
    }),
  );
  const groups = [
    { params: [{ name: 'a', state: states[0]! }], optimizer: optim.sgd({ lr: 1 }) },
    {
      params: [1, 2].map((i) => ({ name: states[i]!.name, state: states[i]! })),
      optimizer: optim.adamw({ lr: 0.1, weightDecay: 0 }),
    },
  ];
  const grads = states.map((s, i) => Float32Array.from({ length: s.type.shape[0]! }, (_, k) => i + k + 1));
  const shared = new ApplyStates();
  // lr, weight decay, momentum, 1 - dampening, first; lr / (1 - beta1), 1 - beta1, beta2, 1 - beta2, 1 / sqrt(1 - beta2), eps, decay.
  const rows = [
    [1, 0, 0, 1, 1],
    [0.1 / (1 - 0.9), 1 - 0.9, 0.999, 1 - 0.999, 1 / Math.sqrt(1 - 0.999), 1e-8, 1],
  ].map((row) => Float64Array.from(row));
  const build = (policy: clip.ClipPolicy) => {
    const graph = new Graph('train');
    const inputs = states.map((s) => graph.input(`grad ${s.name}`, s.type, 'feed'));
    const apply = buildApply({ graph, groups, states: shared, grads: inputs, policy });
    for (const a of graph.assigns) graph.output(`next ${a.state.name}`, a.value);
    return { graph, apply };
  };
  /** @param thresholds of the step, by name */
  const run = (policy: clip.ClipPolicy, thresholds: Readonly<Record<string, number>>) => {
    const { graph } = build(policy);
    const inputs = {
      ...Object.fromEntries(Object.entries(thresholds).map(([name, t]) => [`clip.${name}`, Float64Array.of(t)])),
      'hyper.0': rows[0]!,
      'hyper.1': rows[1]!,
      ...Object.fromEntries(states.map((s, i) => [`grad ${s.name}`, grads[i]!])),
    };
    return runGraph(graph, { inputs });
  };

  test('one norm spans all groups', () => {
    const out = run(clip.globalNorm(1), { threshold: 1 });
    const n = norm(grads);
    expect(out.get('norm')![0]).toBeCloseTo(n, 12);
    expect(out.get('next a')![0]).toBeCloseTo(1 - 1 / n, 6);
    expect(out.get('next b')![0]).toBeCloseTo(0.9, 6);
    expect(out.get('next optim.c.exp_avg')![2]).toBeCloseTo((0.1 * 5) / n, 6);
  });

  test('each tensor gets its own scale, in whichever group it is', () => {
    const out = run(clip.perTensorNorm(1), { threshold: 1 });
    for (const [i, name] of (['b', 'c'] as const).entries()) {
      expect(out.get(`next optim.${name}.exp_avg`)![1]).toBeCloseTo((0.1 * (i + 3)) / norm([grads[i + 1]!]), 6);
    }
    expect(out.get('next a')![1]).toBeCloseTo(1 - 2 / norm([grads[0]!]), 6);
  });

  test('what updates measure is summed over groups', () => {
    const out = run(clip.value(2), { lower: -2, upper: 2, threshold: 2 });
    const after = grads.map((g) => g.map((v) => Math.min(2, v)));
    expect(out.get('normAfter')![0]).toBeCloseTo(norm(after), 12);
    expect(out.get('clippedFraction')![0]).toBeCloseTo(6 / 9, 12);
  });

  test('graphs built with the same states share them', () => {
    const [a, b] = [build(clip.none()), build(clip.none())];
    expect(b.graph.states.map((s) => s.name).sort()).toEqual(
      ['a', 'b', 'c', ...['b', 'c'].flatMap((n) => [`optim.${n}.exp_avg`, `optim.${n}.exp_avg_sq`])].sort(),
    );
    expect(new Set([...a.graph.states, ...b.graph.states]).size).toBe(a.graph.states.length);
    expect(a.apply.names).toEqual(['a', 'b', 'c']);
  });

  test('rows for several steps hold what each step has', () => {
    const { graph, apply } = build(clip.globalNorm((step) => 10 + step));
    const program = compile(graph, target());
    const rows = apply.fillRows(program.step, 3, 2);
    const view = new DataView(rows.buffer);
    const read = (k: number, name: string, i = 0): number =>
      view.getFloat64(k * program.step.bytes + program.step.columns.find((c) => c.name === name)!.offset + 8 * i, true);
    expect(rows.byteLength).toBe(2 * program.step.bytes);
    expect([read(0, 'clip.threshold'), read(1, 'clip.threshold')]).toEqual([13, 14]);
    expect([0, 1].map((k) => read(k, 'hyper.1'))).toEqual([4, 5].map((t) => 0.1 / (1 - pow(0.9, t))));
    expect(read(0, 'hyper.1', 5)).toBe(1e-8);
  });
});

// change.test.ts: other options between two calls: what is compiled, what is kept, and that numbers count from the next step on.
import { describe, expect, it } from 'vitest';
import { clip, GradclipError, loss, optim, type Tensor, Trainer } from '../../../lib/index.ts';
import { OPTIMIZERS } from '../../../lib/optim/list.ts';
import { thrown } from '../../kit.ts';
import { bits, MLP, points } from '../models.ts';

/** How often anything was traced. */
class Traced extends MLP {
  #count = 0;
  get count(): number {
    return this.#count;
  }
  override forward(x: Tensor): Tensor {
    this.#count++;
    return super.forward(x);
  }
}

const make = (
  options: { optimizer?: optim.Optimizer; clip?: clip.ClipPolicy; groups?: never[]; parameters?: string } = {},
): Trainer<Traced> =>
  new Trainer({
    model: new Traced([6, 16, 2], 0.2),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.adamw({ lr: 1e-2 }),
    clip: clip.globalNorm(0.5),
    batchSize: 8,
    ...options,
  });
const data = points(64);

describe('numbers compile nothing, and have the bits of a schedule that changes them there', () => {
  const at = (before: number, after: number) => (step: number) => (step < 5 ? before : after);
  const cases: readonly (readonly [string, Parameters<Trainer<Traced>['change']>[0], Parameters<typeof make>[0]])[] = [
    ['lr', { lr: 1e-3 }, { optimizer: optim.adamw({ lr: at(1e-2, 1e-3) }) }],
    [
      'a schedule as lr',
      { lr: (step) => 0.1 / (step + 1) },
      { optimizer: optim.adamw({ lr: (step) => (step < 5 ? 1e-2 : 0.1 / (step + 1)) }) },
    ],
    ['a threshold', { clip: clip.globalNorm(0.05) }, { clip: clip.globalNorm(at(0.5, 0.05)) }],
    [
      'the rate of an optimizer that is given',
      { optimizer: optim.adamw({ lr: 1e-3 }) },
      { optimizer: optim.adamw({ lr: at(1e-2, 1e-3) }) },
    ],
  ];
  it.each(cases)('%s', async (_name, change, scheduled) => {
    const t = make();
    await t.fit(data, { steps: 5 });
    const { count } = t.model;
    t.change(change);
    await t.fit(data, { steps: 7 });
    t.stepSync(points(8));
    const traced = t.model.count - count;
    const whole = make(scheduled);
    await whole.fit(data, { steps: 12 });
    whole.stepSync(points(8));
    expect(await bits(t)).toBe(await bits(whole));
    // The shape of the step's batch came for the first time.
    expect(traced).toBe(1);
  });

  it('weight decay, beside plain loops', () => {
    const t = make({ optimizer: optim.sgd({ lr: 0.1 }), clip: clip.none() });
    t.fitSync(data, { steps: 2 });
    const { count } = t.model;
    t.change({ optimizer: optim.sgd({ lr: 0.1, weightDecay: 0.5 }) });
    const before = t.model.fc1.weight.data.slice();
    const { gradients } = t.gradientsSync(points(8));
    t.stepSync(points(8));
    const after = t.model.fc1.weight.data;
    const g = gradients.get('fc1.weight')!.data;
    for (const [i, w] of before.entries()) expect(after[i]! - (w - 0.1 * (g[i]! + 0.5 * w))).toBeCloseTo(0, 6);
    expect(t.model.count - count).toBe(2);
  });

  it('thresholds of values, tensors, units and chains', () => {
    const policies = (t: number): clip.ClipPolicy[] => [
      clip.value(t),
      clip.perTensorNorm(t),
      clip.agc(t),
      clip.chain(clip.value(3 * t), clip.globalNorm(t)),
      clip.groups([{ match: 'fc1.*', policy: clip.globalNorm(t) }, { policy: clip.value(t) }]),
    ];
    for (const [i, policy] of policies(0.3).entries()) {
      const t = make({ clip: policy });
      t.fitSync(data, { steps: 2 });
      const { count } = t.model;
      t.change({ clip: policies(1e-3)[i]! });
      const { last } = t.fitSync(data, { steps: 1 });
      expect([t.model.count - count, last!.clipped], policy.name).toEqual([0, true]);
    }
  });
});

describe('what else is changed', () => {
  it('moments stay where the optimizer keeps the same, and its count of steps with them', async () => {
    const t = make({ optimizer: optim.adam({ lr: 1e-2 }) });
    const other = make({ optimizer: optim.adamw({ lr: 1e-2, weightDecay: 0 }) });
    for (const trainer of [t, other]) await trainer.fit(data, { steps: 5 });
    expect(await bits(t)).toBe(await bits(other));
    t.change({ optimizer: optim.adamw({ lr: 1e-2, weightDecay: 0 }) });
    for (const trainer of [t, other]) await trainer.fit(data, { steps: 5 });
    expect(await bits(t)).toBe(await bits(other));
  });

  it('an optimizer that keeps something else begins there, as a trainer of these weights would', () => {
    const t = make({ optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }) });
    t.fitSync(data, { steps: 5 });
    const fresh = new Trainer({
      model: new Traced([6, 16, 2]),
      loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
      optimizer: optim.adam({ lr: 1e-2 }),
      clip: clip.globalNorm(0.5),
    });
    fresh.writeParametersSync(t);
    t.change({ optimizer: optim.adam({ lr: 1e-2 }) });
    expect(t.counters.step).toBe(5);
    t.model.drop.p === 0.2 && Object.assign(t.model.drop, { p: 0 });
    for (let i = 0; i < 3; i++) {
      t.stepSync(points(8, 6, i + 1));
      fresh.stepSync(points(8, 6, i + 1));
    }
    expect(t.readParametersSync()).toEqual(fresh.readParametersSync());
  });

  it('freeze, unfreeze: frozen weights keep their bits, those that stay trained their moments', async () => {
    const t = make();
    const whole = make({ groups: [] });
    await t.fit(data, { steps: 3 });
    t.change({ freeze: 'fc1.*' });
    expect(t.trained).toEqual(['fc2.weight', 'fc2.bias']);
    const before = t.model.fc1.weight.data.slice();
    await t.fit(data, { steps: 3 });
    expect(t.model.fc1.weight.data).toEqual(before);
    // The same by the model's own flags.
    await whole.fit(data, { steps: 3 });
    whole.model.setRequiresGrad('fc1.*', false);
    await whole.fit(data, { steps: 3 });
    expect(await bits(t)).toBe(await bits(whole));
    t.change({ unfreeze: ['fc1.weight', 'fc1.bias'] });
    whole.model.setRequiresGrad('fc1.*', true);
    for (const trainer of [t, whole]) await trainer.fit(data, { steps: 3 });
    expect(await bits(t)).toBe(await bits(whole));
    expect(t.trained).toEqual(whole.trained);
  });

  it('unfreeze what option parameters leaves out; freeze twice; both at once', () => {
    const t = make({ parameters: 'fc2.*' });
    expect(t.trained).toEqual(['fc2.weight', 'fc2.bias']);
    t.change({ unfreeze: 'fc1.bias' });
    expect(t.trained).toEqual(['fc1.bias', 'fc2.weight', 'fc2.bias']);
    t.change({ freeze: ['fc2.weight', 'fc1.*'], unfreeze: 'fc1.weight' });
    expect(t.trained).toEqual(['fc1.weight', 'fc2.bias']);
    t.change({ parameters: 'fc1.*' });
    expect(t.trained).toEqual(['fc1.weight', 'fc1.bias']);
  });

  it('groups and their rates', () => {
    const t = make();
    t.fitSync(data, { steps: 2 });
    t.change({ groups: [{ match: 'fc1.*', optimizer: optim.sgd({ lr: 0 }) }] });
    const before = t.model.fc1.weight.data.slice();
    t.fitSync(data, { steps: 2 });
    expect(t.model.fc1.weight.data).toEqual(before);
    t.change({ lr: 0.1 });
    t.fitSync(data, { steps: 2 });
    expect(t.model.fc1.weight.data).not.toEqual(before);
  });

  it('a checkpoint is of the options of now', async () => {
    const t = make();
    await t.fit(data, { steps: 3 });
    t.change({ freeze: 'fc1.*', lr: 1e-3 });
    const taken = await t.snapshot();
    await t.fit(data, { steps: 3 });
    const wanted = await bits(t);
    await t.restore(taken);
    await t.fit(data, { steps: 3 });
    expect(await bits(t)).toBe(wanted);
  });
});

describe('refused, and nothing has changed', () => {
  it.each<[string, object, RegExp]>([
    ['nothing is left', { freeze: '*' }, /change: option freeze: no parameter is left to train/],
    ['no name matches', { freeze: 'fc9.*' }, /change: option freeze: no parameter matches fc9/],
    ['a rate below 0', { lr: -1 }, /Trainer.change: option lr: .*-1/],
    ['an unknown option', { rate: 1 }, /unknown option rate/],
    ['no optimizer', { optimizer: 3 }, /option optimizer/],
    ['groups that match nothing', { groups: [{ match: 'fc9.*', optimizer: optim.sgd() }] }, /no parameter matches/],
  ])('%s', async (_name, options, message) => {
    const [t, other] = [make(), make()];
    for (const trainer of [t, other]) trainer.fitSync(data, { steps: 2 });
    const error = thrown(() => t.change(options as never));
    expect(error).toBeInstanceOf(GradclipError);
    expect((error as Error).message).toMatch(message);
    for (const trainer of [t, other]) trainer.fitSync(data, { steps: 2 });
    expect(await bits(t)).toBe(await bits(other));
    expect(t.trained).toEqual(other.trained);
  });

  it('what requires no gradient, and while a call is on', async () => {
    const t = make();
    t.model.fc1.weight.requiresGrad = false;
    expect(thrown(() => t.change({ unfreeze: 'fc1.*' }))).toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringContaining('fc1.weight has requiresGrad false'),
    });
    const run = t.fit(data, { steps: 20 });
    expect(thrown(() => t.change({ lr: 1 }))).toMatchObject({ code: 'ERR_BUSY' });
    await run;
    t.dispose();
    expect(thrown(() => t.change({ lr: 1 }))).toMatchObject({ code: 'ERR_DISPOSED' });
  });
});

// What it keeps of a parameter may have the name of something else that the other kept.
it.each(Object.keys(OPTIMIZERS).filter((name) => name !== 'muon'))('%s takes the place of adamw within a run', (name) => {
  const t = make();
  t.fitSync(data, { steps: 20 });
  t.change({ optimizer: OPTIMIZERS[name]!({ lr: 1e-4 }) });
  t.fitSync(data, { steps: 3 });
  for (const [what, { data }] of t.readParametersSync()) expect(data.every(Number.isFinite), what).toBe(true);
});

// changes.test.ts: what is changed of a model that a trainer holds (what is trained, values, layers) counts from the next fit on.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BusyError,
  CheckpointError,
  clip,
  io,
  loss,
  nn,
  OptionError,
  ops,
  optim,
  prune,
  regularize,
  type Tensor,
  Trainer,
} from '../../../lib/index.ts';
import { bits, classifier, MLP, points, tied, tiedData } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-changes-'));
const at = (name: string): string => join(folder, `${name}.safetensors`);
const data = points(64);
const hex = (p: nn.Parameter): string => Buffer.from(Float32Array.from(p.data).buffer).toString('hex');
const values = ({ fc1, fc2 }: MLP): string[] => [fc1.weight, fc1.bias!, fc2.weight, fc2.bias!].map(hex);

describe('what is frozen', () => {
  it('after the trainer was made keeps its bits, and the rest goes on as if its rate were 0', async () => {
    const rest = optim.adamw({ lr: 1e-2 });
    const trainer = classifier({ clip: clip.none(), groups: [{ match: 'fc1.*', optimizer: rest }], optimizer: rest });
    await trainer.fit(data, { steps: 5 });
    const before = values(trainer.model);
    trainer.model.setRequiresGrad('fc1.*', false);
    expect(trainer.trained).toEqual(['fc2.weight', 'fc2.bias']);
    await trainer.fit(data, { steps: 5 });
    const after = values(trainer.model);
    expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
    const slowed = optim.adamw({ lr: (step) => (step < 5 ? 1e-2 : 0) });
    const wanted = classifier({ clip: clip.none(), groups: [{ match: 'fc1.*', optimizer: slowed }], optimizer: rest });
    await wanted.fit(data, { steps: 10 });
    expect(after).toEqual(values(wanted.model));
  });

  it('during a fit is frozen in the next one', async () => {
    const trainer = classifier();
    const run = trainer.fit(data, { steps: 40, chunkSteps: 1 });
    for await (const step of run) {
      if (step.step === 3) trainer.model.fc2.weight.requiresGrad = false;
      expect(trainer.trained).toContain('fc2.weight');
    }
    await run;
    const wanted = classifier();
    await wanted.fit(data, { steps: 40 });
    expect(values(trainer.model)).toEqual(values(wanted.model));
    expect(trainer.trained).not.toContain('fc2.weight');
    await trainer.fit(data, { steps: 1 });
    expect(hex(trainer.model.fc2.weight)).toBe(hex(wanted.model.fc2.weight));
    expect(hex(trainer.model.fc1.weight)).not.toBe(hex(wanted.model.fc1.weight));
  });

  it('and thawed before the next fit was never frozen, whatever was saved meanwhile', async () => {
    const trainer = classifier({ clip: clip.zclip(), ema: {} });
    await trainer.fit(data, { steps: 6 });
    trainer.model.setRequiresGrad('fc1.*', false);
    await trainer.save(at('frozen'));
    expect(trainer.predictSync(data.x).shape).toEqual([64, 2]);
    expect((await trainer.readParameters({ weights: 'ema' })).size).toBe(4);
    trainer.model.setRequiresGrad('fc1.*', true);
    await trainer.fit(data, { steps: 6 });
    const wanted = classifier({ clip: clip.zclip(), ema: {} });
    await wanted.fit(data, { steps: 12 });
    expect(values(trainer.model)).toEqual(values(wanted.model));
    // What was saved is a trainer that trains fc2 alone.
    const slots = [...(await io.readSafetensors(at('frozen'))).tensors.keys()].filter((name) =>
      name.startsWith('gradclip.optim'),
    );
    expect(slots.sort()).toEqual(
      ['bias', 'weight'].flatMap((p) => ['', '_sq'].map((sq) => `gradclip.optim.fc2.${p}.exp_avg${sq}`)),
    );
    await expect(classifier({ clip: clip.zclip(), ema: {} }).load(at('frozen'))).rejects.toThrow(CheckpointError);
    const model = new MLP([6, 16, 2]);
    model.setRequiresGrad('fc1.*', false);
    await classifier({ model, clip: clip.zclip(), ema: {} }).load(at('frozen'));
  });

  it('may be all of it, but for a fit', async () => {
    const trainer = classifier({ regularize: regularize.l2(0.1), prune: prune.magnitude({ sparsity: 0.5 }) });
    await trainer.fit(data, { steps: 2 });
    const before = values(trainer.model);
    trainer.model.setRequiresGrad('*', false);
    expect(trainer.trained).toEqual([]);
    for (const fit of [() => trainer.fit(data), () => trainer.fitSync(data)]) {
      expect(fit).toThrow(
        new OptionError(
          `${fit.toString().includes('fitSync') ? 'fitSync' : 'fit'}: the model has no parameter that requires a gradient`,
        ),
      );
    }
    await trainer.save(at('still'), { weightsOnly: true });
    expect((await trainer.evaluate(data)).loss).toBeGreaterThan(0);
    await trainer.load(at('still'));
    expect(values(trainer.model)).toEqual(before);
    trainer.model.setRequiresGrad('fc2.*', true);
    expect((await trainer.fit(data, { steps: 1 })).applied).toBe(1);
  });

  it('may leave an option with nothing that it is for: an error, and nothing has changed', async () => {
    const trainer = classifier({ regularize: regularize.l2(0.1, { match: 'fc1.weight' }) });
    await trainer.fit(data, { steps: 3 });
    const before = await bits(trainer);
    trainer.model.fc1.weight.requiresGrad = false;
    expect(() => trainer.fit(data)).toThrow('Trainer: regularize: l2 matches no parameter that is trained');
    expect(await bits(trainer)).toBe(before);
    trainer.model.fc1.weight.requiresGrad = true;
    await trainer.fit(data, { steps: 3 });
    const wanted = classifier({ regularize: regularize.l2(0.1, { match: 'fc1.weight' }) });
    await wanted.fit(data, { steps: 6 });
    expect(await bits(trainer)).toBe(await bits(wanted));
  });

  it('keeps what is pruned, and how much is counted', async () => {
    const rule = prune.magnitude({ match: '*.weight', scope: 'tensor', sparsity: 0.5, begin: 2 });
    const trainer = classifier({ prune: rule });
    await trainer.fit(data, { steps: 4 });
    const { tensors } = await trainer.sparsity();
    trainer.model.fc1.weight.requiresGrad = false;
    await trainer.fit(data, { steps: 2 });
    expect((await trainer.sparsity()).tensors).toEqual({ 'fc2.weight': tensors['fc2.weight'] });
    expect(tensors['fc2.weight']).toBe(0.5);
    expect([...trainer.model.fc2.weight.data].filter((v) => v === 0).length).toBe(16);
  });
});

describe('what is thawed', () => {
  /** One number each: y = w x + b. */
  class Line extends nn.Module {
    w: nn.Parameter = new nn.Parameter([1], Float32Array.of(0.5));
    b: nn.Parameter = new nn.Parameter([1], Float32Array.of(-0.25));
    forward(x: Tensor): Tensor {
      return ops.add(ops.mul(x, this.w), this.b);
    }
  }
  const [xs, ys] = [Float32Array.of(0.3, -1.2, 0.7, 2), Float32Array.of(1, -2, 1.5, 4)];
  const line = { x: { data: xs, shape: [4, 1] }, y: { data: ys, shape: [4, 1] } };
  const [lr, b1, b2, eps] = [0.05, 0.9, 0.999, 1e-8];

  /** Adam in f64, in which each parameter counts its own steps; `trains` says which are trained in a step. */
  function byHand(steps: number, trains: (step: number) => readonly string[], rate: (step: number) => number): number[] {
    const p: Record<string, number> = { w: 0.5, b: -0.25 };
    const kept: Record<string, { m: number; v: number; t: number }> = {};
    for (let step = 0; step < steps; step++) {
      const errors = Array.from(xs, (x, i) => p.w! * x + p.b! - ys[i]!);
      const g: Record<string, number> = {
        w: errors.reduce((s, e, i) => s + 2 * e * xs[i]!, 0) / 4,
        b: errors.reduce((s, e) => s + 2 * e, 0) / 4,
      };
      for (const name of Object.keys(kept)) if (!trains(step).includes(name)) delete kept[name];
      for (const name of trains(step)) {
        kept[name] ??= { m: 0, v: 0, t: 0 };
        const k = kept[name];
        k.t++;
        k.m = b1 * k.m + (1 - b1) * g[name]!;
        k.v = b2 * k.v + (1 - b2) * g[name]! ** 2;
        p[name]! -= (rate(step) * (k.m / (1 - b1 ** k.t))) / (Math.sqrt(k.v / (1 - b2 ** k.t)) + eps);
      }
    }
    return [p.w!, p.b!];
  }

  it('begins with the bias correction of a first step, at the rate of this one', async () => {
    const rate = (step: number): number => lr / (1 + step / 10);
    const trainer = new Trainer({
      model: new Line(),
      loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
      optimizer: optim.adam({ lr: rate, betas: [b1, b2], eps }),
      batchSize: 4,
    });
    const { model } = trainer;
    const trains = (step: number): string[] => (step < 5 ? ['b'] : step < 9 ? ['w', 'b'] : step < 12 ? ['w'] : ['w', 'b']);
    const check = (step: number): void => {
      const wanted = byHand(step, trains, rate);
      for (const [i, p] of [model.w, model.b].entries()) expect(p.data[0], `${p.name} ${step}`).toBeCloseTo(wanted[i]!, 5);
    };
    model.w.requiresGrad = false;
    await trainer.fit(line, { steps: 5 });
    check(5);
    expect(model.w.data[0]).toBe(0.5);
    model.w.requiresGrad = true;
    await trainer.fit(line, { steps: 4 });
    check(9);
    model.b.requiresGrad = false;
    trainer.fitSync(line, { steps: 3 });
    check(12);
    model.b.requiresGrad = true;
    await trainer.fit(line, { steps: 4 });
    check(16);
  });

  it.each([
    ['adopt', optim.adopt({ lr: 1e-2 })],
    ['lookahead', optim.lookahead(optim.radam({ lr: 1e-2 }))],
    ['nadam', optim.nadam({ lr: 1e-2 })],
  ])('is resumed from a file bit for bit: %s', async (name, optimizer) => {
    const make = (): Trainer<MLP> =>
      classifier({ optimizer, clip: clip.zclip(), ema: {}, accumulate: 2, lossScale: { init: 1024, interval: 5 } });
    const trainer = make();
    trainer.model.setRequiresGrad('fc1.*', false);
    await trainer.fit(data, { steps: 3 });
    trainer.model.setRequiresGrad('fc1.*', true);
    await trainer.fit(data, { steps: 4 });
    await trainer.save(at(name));
    const other = make();
    await other.load(at(name));
    for (const t of [trainer, other]) await t.fit(data, { steps: 6 });
    expect(await bits(other)).toBe(await bits(trainer));
    expect(await bits(other, { weights: 'ema' })).toBe(await bits(trainer, { weights: 'ema' }));
    const start = new MLP([6, 16, 2]).initialize(3);
    for (const p of other.model.parameters()) expect(p.data.every(Number.isFinite)).toBe(true);
    const far = Math.max(...other.model.fc1.weight.data.map((v, i) => Math.abs(v - start.fc1.weight.data[i]!)));
    expect(far).toBeLessThan(0.5);
    // Weights from elsewhere: everything starts afresh.
    await other.save(at(`${name} weights`), { weightsOnly: true });
    await other.load(at(`${name} weights`));
    const fresh = make();
    await fresh.load(at(`${name} weights`));
    for (const t of [other, fresh]) await t.fit(data, { steps: 3 });
    expect(await bits(other)).toBe(await bits(fresh));
  });
});

describe('a model', () => {
  class Headed extends nn.Module {
    body: nn.Linear = new nn.Linear(6, 8);
    head: nn.Linear = new nn.Linear(8, 2);
    forward(x: Tensor): Tensor {
      return this.head.forward(ops.relu(this.body.forward(x)));
    }
  }
  const headed = (): Trainer<Headed> =>
    new Trainer({
      model: new Headed(),
      loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
      clip: clip.none(),
      batchSize: 8,
    });

  it('may get another head', async () => {
    const trainer = headed();
    await trainer.fit(data, { steps: 3 });
    trainer.predictSync(data.x);
    const old = hex(trainer.model.head.weight);
    trainer.model.head = new nn.Linear(8, 3);
    expect(trainer.predictSync(data.x).shape).toEqual([64, 3]);
    await trainer.fit(data, { steps: 2 });
    expect((await trainer.readParameters()).get('head.weight')!.shape).toEqual([3, 8]);
    expect(hex(trainer.model.head.weight)).not.toBe(old);
    await trainer.save(at('head'));
    const other = headed();
    other.model.head = new nn.Linear(8, 3);
    await other.load(at('head'));
    for (const t of [trainer, other]) await t.fit(data, { steps: 2 });
    expect(hex(other.model.head.weight)).toBe(hex(trainer.model.head.weight));
    const pending = trainer.predict(data.x);
    trainer.model.head = new nn.Linear(8, 2);
    expect(() => trainer.predictSync(data.x)).toThrow(BusyError);
    await pending;
    expect(trainer.predictSync(data.x).shape).toEqual([64, 2]);
  });

  it('may be tied: the table goes on with its moments, and the file has both names', async () => {
    const trainer = tied();
    const { model } = trainer;
    model.head.weight = new nn.Parameter([5, 3], new Float32Array(15));
    await trainer.fit(tiedData, { steps: 3 });
    expect(trainer.trained).toEqual(['wte.weight', 'norm.weight', 'norm.bias', 'head.weight']);
    await trainer.save(at('apart'));
    model.head.weight = model.wte.weight;
    expect(trainer.trained).toEqual(['wte.weight', 'norm.weight', 'norm.bias']);
    await trainer.save(at('together'));
    const [apart, together] = [await io.readSafetensors(at('apart')), await io.readSafetensors(at('together'))];
    const moments = 'gradclip.optim.wte.weight.exp_avg';
    expect(together.tensors.get(moments)).toEqual(apart.tensors.get(moments));
    expect([...apart.tensors.keys()].filter((name) => !together.tensors.has(name))).toEqual(
      ['exp_avg', 'exp_avg_sq'].map((slot) => `gradclip.optim.head.weight.${slot}`),
    );
    expect(together.tensors.get('head.weight')).toEqual(apart.tensors.get('wte.weight'));
    const other = tied();
    await other.load(at('together'));
    for (const t of [trainer, other]) await t.fit(tiedData, { steps: 3 });
    expect(hex(other.model.wte.weight)).toBe(hex(model.wte.weight));
  });

  it('that shares parameters has them under its own names, whoever trained them last', async () => {
    const make = (model: nn.Module): Trainer<nn.Module> =>
      new Trainer({
        model,
        loss: ({ x, y }) => loss.crossEntropy((model as nn.Sequential).forward(x) as Tensor, y),
        optimizer: optim.adamw({ lr: 1e-2 }),
        prune: prune.magnitude({ sparsity: 0.5 }),
        batchSize: 8,
      });
    const [body, head] = [new nn.Linear(6, 16), new nn.Linear(16, 2)];
    const one = make(new nn.Sequential({ body, act: ops.relu, head }));
    await one.fit(data, { steps: 3 });
    const other = make(new nn.Sequential({ trunk: body, out: new nn.Linear(16, 2) }));
    await other.fit(data, { steps: 1 });
    expect(Object.keys((await one.sparsity()).tensors)).toEqual(['body.weight', 'head.weight']);
    expect(one.advise({ warmup: 0 }).steps).toBe(3);
    head.bias!.requiresGrad = false;
    await one.save(at('shared'));
    const { tensors } = await io.readSafetensors(at('shared'));
    expect([...tensors.keys()].filter((name) => name.includes('trunk'))).toEqual([]);
    const fresh = new nn.Sequential({ body: new nn.Linear(6, 16), act: ops.relu, head: new nn.Linear(16, 2) });
    fresh.setRequiresGrad('head.bias', false);
    const loaded = make(fresh);
    await loaded.load(at('shared'));
    for (const trainer of [one, loaded]) await trainer.fit(data, { steps: 2 });
    expect(hex(fresh.parameters()[0]!)).toBe(hex(body.weight));
  });

  it('may be loaded with other parameters trained, while others wait for their turn', async () => {
    const saved = classifier({ ema: {}, prune: prune.magnitude({ sparsity: 0.5 }) });
    saved.model.setRequiresGrad('fc1.weight', false);
    await saved.fit(data, { steps: 3 });
    saved.model.setRequiresGrad('fc1.weight', true);
    await saved.fit(data, { steps: 3 });
    await saved.save(at('thawed'));
    const after = [await bits(saved, { weights: 'ema' }), await saved.sparsity()];
    // What is read while the file is loaded waits for its turn, before the load's turn or behind it. Behind it there is not always somebody.
    let behind = 0;
    for (let tries = 0; behind === 0 && tries < 50; tries++) {
      const trainer = classifier({ ema: {}, prune: prune.magnitude({ sparsity: 0.5 }) });
      const before = [await bits(trainer, { weights: 'ema' }), await trainer.sparsity()];
      const read: Promise<unknown[]>[] = [];
      let loaded = false;
      const load = trainer.load(at('thawed')).finally(() => {
        loaded = true;
      });
      while (!loaded) {
        read.push(Promise.all([bits(trainer, { weights: 'ema' }), trainer.sparsity()]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await load;
      for (const pair of await Promise.all(read))
        pair.forEach((value, i) => {
          expect([before[i], after[i]]).toContainEqual(value);
        });
      behind += (await Promise.all(read)).filter((pair) => isDeepStrictEqual(pair, after)).length;
    }
    expect(behind).toBeGreaterThan(0);
  });

  it('whose values are gone gets them again', async () => {
    const trainer = headed();
    const { weight } = trainer.model.body;
    await trainer.fit(data, { steps: 2 });
    const trained = hex(weight);
    weight.init = nn.init.ones();
    expect(() => weight.data).toThrow('call initialize(seed)');
    trainer.predictSync(data.x);
    expect([...new Set(weight.data)]).toEqual([1]);
    await trainer.fit(data, { steps: 1 });
    expect(hex(weight)).not.toBe(trained);
  });
});

describe('whatever is done in whatever order', () => {
  const FACTORS = { a: 1, b: -2, c: 0.5 } as const;
  type Name = keyof typeof FACTORS;
  const NAMES = Object.keys(FACTORS) as Name[];
  const [rate, momentum] = [0.25, 0.5];
  class Three extends nn.Module {
    a: nn.Parameter = new nn.Parameter([2], Float32Array.of(1, 2));
    b: nn.Parameter = new nn.Parameter([3], Float32Array.of(3, 4, 5));
    c: nn.Parameter = new nn.Parameter([1], Float32Array.of(6));
    forward(x: Tensor): Tensor {
      return NAMES.map((n) => ops.mul(ops.sum(this[n]), FACTORS[n])).reduce((s, t) => ops.add(s, t), ops.mul(ops.mean(x), 0));
    }
  }
  const ones = { x: { data: new Float32Array(8).fill(1), shape: [8, 1] } };

  /** What a trainer is said to keep: a momentum for each parameter that it trained last. */
  interface Plain {
    step: number;
    kept: Partial<Record<Name, number>>;
  }
  type Values = Record<Name, number[]>;
  interface Said {
    values: Values;
    trainer: Plain;
  }
  const copy = <T>(x: T): T => structuredClone(x);

  const who = fc.nat(1);
  const op = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ op: fc.constant('fit'), who, steps: fc.integer({ min: 1, max: 3 }), sync: fc.boolean() }),
    },
    { weight: 3, arbitrary: fc.record({ op: fc.constant('train'), name: fc.constantFrom(...NAMES), value: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        op: fc.constant('set'),
        name: fc.constantFrom(...NAMES),
        to: fc.integer({ min: -9, max: 9 }),
        view: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('save'), who, weightsOnly: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('load'), who }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('renew'), who, dispose: fc.boolean() }) },
  );

  it('values, momenta and files are what a plain account of it says', { timeout: 60_000 }, async () => {
    const property = fc.asyncProperty(fc.array(op, { minLength: 4, maxLength: 16 }), async (list) => {
      const model = new Three();
      const make = (): Trainer<Three> =>
        new Trainer({
          model,
          loss: ({ x }, m) => m.forward(x),
          optimizer: optim.sgd({ lr: rate, momentum }),
          clip: clip.none(),
          batchSize: 4,
          threads: 1,
        });
      const trains: Record<Name, boolean> = { a: true, b: true, c: true };
      const plainValues: Values = { a: [1, 2], b: [3, 4, 5], c: [6] };
      const now = (): Name[] => NAMES.filter((n) => trains[n]);
      const fresh = (): Plain => ({ step: 0, kept: Object.fromEntries(now().map((n) => [n, 0])) });
      const real = [make(), make()];
      const plain = [fresh(), fresh()];
      let file: (Said & { weightsOnly: boolean }) | null = null;
      const path = at('plain');
      for (const o of list) {
        const i = 'who' in o ? o.who : 0;
        const [trainer, said] = [real[i]!, plain[i]!];
        const asNow = (): Partial<Record<Name, number>> => Object.fromEntries(now().map((n) => [n, said.kept[n] ?? 0]));
        if (o.op === 'fit' && 'steps' in o) {
          const run = (): unknown => (o.sync ? trainer.fitSync(ones, { steps: o.steps }) : trainer.fit(ones, { steps: o.steps }));
          if (now().length === 0) {
            expect(run).toThrow(OptionError);
            continue;
          }
          await run();
          said.kept = asNow();
          said.step += o.steps;
          for (let k = 0; k < o.steps; k++) {
            for (const n of now()) {
              said.kept[n] = momentum * said.kept[n]! + FACTORS[n];
              plainValues[n] = plainValues[n].map((v) => v - rate * said.kept[n]!);
            }
          }
        } else if (o.op === 'train' && 'value' in o) {
          trains[o.name] = o.value;
          if (o.value) model[o.name].requiresGrad = true;
          else model.setRequiresGrad(o.name, false);
        } else if (o.op === 'set' && 'to' in o) {
          plainValues[o.name] = plainValues[o.name].map((_, k) => o.to + k);
          if (o.view) for (const [k, v] of plainValues[o.name].entries()) model[o.name].data[k] = v;
          else model[o.name].data = plainValues[o.name];
        } else if (o.op === 'save' && 'weightsOnly' in o) {
          await trainer.save(path, { weightsOnly: o.weightsOnly });
          file = copy({ values: plainValues, trainer: { step: said.step, kept: asNow() }, weightsOnly: o.weightsOnly });
        } else if (o.op === 'load' && file) {
          const [has, wants] = [Object.keys(file.trainer.kept).sort(), now()];
          if (!file.weightsOnly && String(has) !== String(wants)) {
            await expect(trainer.load(path)).rejects.toThrow(CheckpointError);
          } else {
            await trainer.load(path);
            Object.assign(plainValues, copy(file.values));
            plain[i] = file.weightsOnly ? fresh() : copy(file.trainer);
          }
        } else if (o.op === 'renew' && 'dispose' in o) {
          if (now().length === 0) {
            expect(make).toThrow(OptionError);
            continue;
          }
          if (o.dispose) trainer.dispose();
          real[i] = make();
          plain[i] = fresh();
        }
        for (const n of NAMES) {
          for (const [k, v] of plainValues[n].entries()) expect(model[n].data[k], `${n}[${k}]`).toBeCloseTo(v, 4);
        }
        expect(real.map((t) => t.counters.step)).toEqual(plain.map((p) => p.step));
        expect(real[i]!.trained).toEqual(expect.arrayContaining(now()));
        expect(real[i]!.trained.length).toBe(now().length);
      }
      for (const t of real) t.dispose();
      for (const n of NAMES) for (const [k, v] of plainValues[n].entries()) expect(model[n].data[k]).toBeCloseTo(v, 4);
    });
    await fc.assert(property, { numRuns: 60 });
  });
});

it('what writes weights takes in what is trained, with averages that begin as weights', async () => {
  const t = classifier({ ema: { decay: 0.9 } });
  await t.fit(data, { steps: 3 });
  const taken = [await t.save(), await t.snapshot()] as const;
  const values = await t.readParameters();
  await t.writeParameters(values, { optimizer: 'reset' });
  expect(t.stepSync(points(8)).step).toBe(3);
  for (const back of [() => t.load(taken[0]), () => t.restore(taken[1])]) {
    t.model.setRequiresGrad('fc1.*', false);
    await t.step(points(8));
    expect(t.trained).toEqual(['fc2.weight', 'fc2.bias']);
    t.model.setRequiresGrad('fc1.*', true);
    await back();
    expect(t.counters.step).toBe(3);
    expect(await t.save()).toEqual(taken[0]);
  }
  const run = t.fit(data, { steps: 50, chunkSteps: 1 });
  expect(() => classifier({ model: t.model, ema: { decay: 0.9 } })).toThrow(BusyError);
  await run;
});

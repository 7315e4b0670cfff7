// groups.test.ts: frozen parameters, groups with their own hyper-parameters, and what accumulation does before the clip.
import { describe, expect, it } from 'vitest';
import * as clip from '../../../lib/clip/index.ts';
import { crossEntropy } from '../../../lib/nn/loss/index.ts';
import { mul } from '../../../lib/ops/index.ts';
import * as optim from '../../../lib/optim/index.ts';
import { classifier, points } from '../models.ts';

const data = points(100);

describe('fine-tuning', () => {
  const one = { steps: 1 };
  const values = async (trainer: ReturnType<typeof classifier>): Promise<Record<string, number[]>> =>
    Object.fromEntries([...(await trainer.readParameters())].map(([name, { data }]) => [name, Array.from(data)]));
  const bare = (lr: number, weightDecay = 0): optim.Optimizer => optim.sgd({ lr, weightDecay });

  it('leaves frozen parameters alone', async () => {
    const frozen = classifier();
    frozen.model.setRequiresGrad('fc1.*', false);
    const trainer = classifier({ model: frozen.model });
    const before = await values(trainer);
    await trainer.fit(data, { steps: 5 });
    const after = await values(trainer);
    expect(trainer.trained).toEqual(['fc2.weight', 'fc2.bias']);
    for (const name of ['fc1.weight', 'fc1.bias']) expect(after[name]).toEqual(before[name]);
    expect(after['fc2.weight']).not.toEqual(before['fc2.weight']);
  });

  it('skips a step that one of the optimizers could not square', async () => {
    for (const [optimizer, skipped] of [
      [optim.adam(), true],
      [bare(0), false],
    ] as const) {
      const trainer = classifier({
        optimizer: bare(0),
        clip: clip.none(),
        groups: [{ match: 'fc1.*', optimizer }],
        loss: ({ x, y }, model) => mul(crossEntropy(model.forward(x), y), 1e25),
      });
      for await (const report of trainer.fit(data, one)) expect(report.skipped).toBe(skipped);
    }
  });

  it('gives groups a learning rate and a decay of their own; the first rule that matches wins', async () => {
    const options = { clip: clip.none(), batchSize: 20 };
    const start = await values(classifier(options));
    const plain = classifier({ ...options, optimizer: bare(1) });
    await plain.fit(data, one);
    const moved = await values(plain);
    const trainer = classifier({
      ...options,
      optimizer: bare(0.25),
      groups: [
        { match: (_, { shape }) => shape.length === 1, optimizer: bare(0) },
        { match: /^fc1/, optimizer: bare(0.5, 0.125) },
      ],
    });
    expect(trainer.trained).toEqual(['fc1.bias', 'fc2.bias', 'fc1.weight', 'fc2.weight']);
    await trainer.fit(data, one);
    const got = await values(trainer);
    for (const name of ['fc1.bias', 'fc2.bias']) expect(got[name]).toEqual(start[name]);
    for (const [name, lr, decay] of [
      ['fc1.weight', 0.5, 0.125],
      ['fc2.weight', 0.25, 0],
    ] as const) {
      got[name]!.forEach((v, i) => {
        const p = start[name]![i]!;
        const g = p - moved[name]![i]!;
        expect(Math.abs(v - (p - lr * (g + decay * p)))).toBeLessThan(1e-6);
      });
    }
    // All that the second is for is in the first.
    for (const match of ['fc1.weight', /^fc1/, () => true]) {
      const groups = [
        { match: '*', optimizer: bare(1) },
        { match, optimizer: bare(0) },
      ];
      expect(() => classifier({ groups })).toThrow(/^Trainer: groups: groups before have all that .* matches/);
    }
    // What is frozen may be trained again.
    const { model } = classifier();
    model.setRequiresGrad('fc2.*', false);
    const narrow = [
      { match: 'fc1.*', optimizer: bare(1) },
      { match: '*.bias', optimizer: bare(0) },
    ];
    expect(classifier({ model, groups: narrow }).trained).toEqual(['fc1.weight', 'fc1.bias']);
    expect(() => classifier({ groups: [{ match: () => false, optimizer: bare(1) }] })).toThrow(
      /no parameter matches the function/,
    );
  });

  it('accumulation sums, divides, measures and clips, in this order', async () => {
    // Batches of one row: each by itself has a larger gradient than their mean.
    const rows = points(4);
    const options = { clip: clip.none(), optimizer: bare(1), batchSize: 1 };
    const start = Object.values(await values(classifier(options))).flat();
    // Every row of an epoch, in its shuffled order: the gradient of each is what a step of rate 1 takes off.
    const mean = new Float64Array(start.length);
    const largest: number[] = [];
    for (let k = 0; k < 4; k++) {
      const row = { x: { data: rows.x.data.slice(6 * k, 6 * k + 6), shape: [1, 6] }, y: rows.y.slice(k, k + 1) };
      const trainer = classifier(options);
      const { last } = await trainer.fit(row, one);
      largest.push(last!.norm);
      Object.values(await values(trainer))
        .flat()
        .forEach((v, i) => {
          mean[i]! += (start[i]! - v) / 4;
        });
    }
    const norm = Math.hypot(...mean);
    const threshold = (norm + Math.min(...largest)) / 2;
    expect(threshold).toBeGreaterThan(norm);
    const step = async (c: number) => {
      const trainer = classifier({ ...options, accumulate: 4, clip: clip.globalNorm(c) });
      const { last } = await trainer.fit(rows, one);
      return { last: last!, after: Object.values(await values(trainer)).flat() };
    };
    // Would each micro-batch be clipped, this would bite.
    const loose = await step(threshold);
    expect(loose.last).toMatchObject({ clipped: false, scale: 1 });
    expect(loose.last.norm / norm).toBeCloseTo(1, 5);
    const tight = await step(norm / 2);
    expect(tight.last.clipped).toBe(true);
    expect(tight.last.scale).toBeCloseTo(0.5, 5);
    for (const [{ after }, scale] of [
      [loose, 1],
      [tight, 0.5],
    ] as const) {
      after.forEach((v, i) => {
        expect(Math.abs(v - (start[i]! - scale * mean[i]!))).toBeLessThan(1e-6);
      });
    }
  });
});

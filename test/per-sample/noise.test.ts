// noise.test.ts: the noise of clip.perSample as a training has it: its law and scale, that no step or tensor has that of another, what repeats and what does not.
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clip, nn, ops, optim, type Tensor, Trainer } from '../../lib/index.ts';
import { faultsOf, lawOf, together } from '../noise/law.ts';

class Wide extends nn.Module {
  readonly first = new nn.Linear(40, 300);
  readonly second = new nn.Linear(300, 40);
  forward(x: Tensor): Tensor {
    return this.second.forward(ops.relu(this.first.forward(x)));
  }
}
const ROWS = 16;
const batch = { x: { data: Float32Array.from({ length: ROWS * 40 }, (_, i) => Math.sin(i)), shape: [ROWS, 40] } };
interface Options {
  readonly noise?: number;
  readonly secure?: boolean;
  readonly c?: number;
  readonly seed?: number;
  readonly threads?: number;
}
const make = ({ noise = 1, secure = true, c = 0.1, seed = 3, threads = 1 }: Options = {}) =>
  new Trainer({
    model: new Wide(),
    loss: ({ x }, model) => ops.mean(ops.mul(model.forward(x), model.forward(x))),
    optimizer: optim.sgd({ lr: 1 }),
    clip: clip.perSample(c, { noise, secure }),
    batchSize: ROWS,
    ...{ seed, threads },
  });
type Made = ReturnType<typeof make>;
const weights = ({ model }: Made): Float32Array[] =>
  [model.first.weight, model.first.bias!, model.second.weight, model.second.bias!].map(({ data }) => Float32Array.from(data));
const joined = (all: readonly Float32Array[]): Float32Array => Float32Array.from(all.flatMap((x) => [...x]));
/** What the next step does to the weights. */
function moved(trainer: Made): Float32Array[] {
  const before = weights(trainer);
  trainer.stepSync(batch);
  return weights(trainer).map((after, t) => after.map((v, i) => v - before[t]![i]!));
}
/** Noise alone, as deviations: next to it gradients of a norm of 1e-6 are nothing. */
const loud = (options: Options): Made => make({ c: 1e-6, noise: 1e6, ...options });
const deviations = (trainer: Made): Float32Array[] => moved(trainer).map((x) => x.map((v) => v * ROWS));

describe.each([true, false])('secure: %s', (secure) => {
  it('adds normal noise of noise x threshold / batch to the mean of clipped gradients', () => {
    const [quiet, noisy] = [make({ noise: 0, secure }), make({ noise: 2, secure })];
    const [exact, got] = [joined(moved(quiet)), joined(moved(noisy))];
    const z = got.map((v, i) => (v - exact[i]!) / ((2 * 0.1) / ROWS));
    expect(z.length).toBe(24_340);
    // Under a key the numbers are others each time: of so few, high moments are now and then what one large number makes of them.
    const figures = lawOf(z).filter(({ what }) => !/x\^[78]/.test(what));
    expect(faultsOf(figures)).toEqual([]);
    expect(faultsOf(lawOf(z.map((v) => 1.1 * v))).length).toBeGreaterThan(2);
  });

  it('has other noise in each step and tensor', () => {
    const trainer = loud({ secure });
    const steps = [deviations(trainer), deviations(trainer), deviations(trainer)];
    const [first, second, third] = steps.map(joined) as [Float32Array, Float32Array, Float32Array];
    for (const [a, b] of [
      [first, second],
      [first, third],
      [second, third],
    ] as const) {
      expect(faultsOf(together('steps', a, b))).toEqual([]);
    }
    for (const step of steps) {
      expect(faultsOf(together('weights', step[0]!, step[2]!))).toEqual([]);
      expect(new Set(joined(step)).size).toBeGreaterThan(0.99 * first.length);
    }
  });

  it('has the same bits for any number of threads where it repeats', () => {
    const of = (threads: number): Float32Array => joined(deviations(loud({ secure: false, threads })));
    for (const threads of [2, 3, 5]) expect(of(threads)).toEqual(of(1));
  });
});

describe('a training', () => {
  const file = (name: string): string => join(mkdtempSync(join(tmpdir(), 'gradclip-')), name);
  const data = { x: { data: Float32Array.from({ length: 64 * 40 }, (_, i) => Math.sin(i)), shape: [64, 40] } };

  it('by the seed repeats, and goes on from a checkpoint as if it had not been left', async () => {
    const [whole, begun, other] = [make({ secure: false }), make({ secure: false }), make({ secure: false })];
    await whole.fit(data, { steps: 6 });
    await begun.fit(data, { steps: 3 });
    const saved = file('plain.safetensors');
    await begun.save(saved);
    await other.load(saved);
    await other.fit(data, { steps: 3 });
    expect(weights(other)).toEqual(weights(whole));
    const unlike = make({ secure: false, seed: 4 });
    await unlike.fit(data, { steps: 6 });
    expect(weights(unlike)).not.toEqual(weights(whole));
  });

  it('under a key of the system never repeats: not beside another one, not from a checkpoint, which has no key', async () => {
    const trainer = loud({});
    const saved = file('secret.safetensors');
    trainer.stepSync(batch);
    await trainer.save(saved);
    const snapshot = trainer.snapshotSync();
    const tried = [joined(deviations(trainer))];
    await trainer.load(saved);
    tried.push(joined(deviations(trainer)));
    trainer.restoreSync(snapshot);
    tried.push(joined(deviations(trainer)));
    const other = loud({});
    await other.load(saved);
    tried.push(joined(deviations(other)));
    for (const [i, a] of tried.entries()) {
      for (const b of tried.slice(0, i)) expect(faultsOf(together('runs', a, b))).toEqual([]);
    }
    const bytes = readFileSync(saved);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString()) as object;
    expect(Object.keys(header).filter((name) => /noise|key|undefined/i.test(name))).toEqual([]);
  });
});

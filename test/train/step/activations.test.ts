// activations.test.ts: option activations of a trainer: what is kept for the backward pass as bf16: the same bits in every way to train, losses as without,
// gradients near those without; what is refused; the memory of a transformer.
import { describe, expect, it } from 'vitest';
import { clip, models, OptionError, optim, type Report, Trainer, type TrainerOptions } from '../../../lib/index.ts';
import { SOME_TEAMS } from '../../kit.ts';
import { fails } from '../fails.ts';

type Options = Partial<TrainerOptions<models.GPT, never>>;

const [ROWS, TIME, TOKENS] = [24, 16, 17];
const tokens = (seed: number): { data: Int32Array; shape: number[] } => ({
  data: Int32Array.from({ length: ROWS * TIME }, (_, i) => (i * i * seed + 3 * i + seed) % TOKENS),
  shape: [ROWS, TIME],
});
const data = { x: tokens(5), y: tokens(7) };

// Rows of a batch and width are enough that values of a block are kept rounded: 8 * 16 * 32 elements.
const gpt = (dropout: number): models.GPT => new models.GPT(TOKENS, { context: TIME, layers: 3, heads: 2, width: 32, dropout });
const trainer = (options: Options = {}): Trainer<models.GPT, never> =>
  new Trainer({
    model: gpt(0.1),
    loss: models.gptLoss,
    optimizer: optim.adamw({ lr: 3e-3 }),
    batchSize: 8,
    seed: 3,
    precision: 'bf16',
    activations: 'bf16',
    ...options,
  });

async function trained(options: Options, steps = 6): Promise<{ weights: string; reports: Report[] }> {
  const t = trainer(options);
  const reports: Report[] = [];
  for await (const report of t.fit(data, { steps })) reports.push(report);
  return { weights: await left(t), reports };
}

async function left(t: Trainer<models.GPT, never>): Promise<string> {
  const values = await t.readParameters();
  const found = [...values].map(
    ([name, { data: d }]) => `${name} ${Buffer.from(d.buffer, d.byteOffset, d.byteLength).toString('hex')}`,
  );
  t.dispose();
  return found.join('\n');
}

it('the loss of the first step is that without, to the bit, and its gradients are near', async () => {
  const [kept, plain] = await Promise.all([trained({}, 1), trained({ activations: 'f32' }, 1)]);
  expect(kept.reports[0]!.loss).toBe(plain.reports[0]!.loss);
  expect(kept.reports[0]!.norm).not.toBe(plain.reports[0]!.norm);
  expect(kept.reports[0]!.norm / plain.reports[0]!.norm).toBeCloseTo(1, 2);
});

it('a training goes as it goes without', async () => {
  const [kept, plain] = await Promise.all([trained({}, 40), trained({ activations: 'f32' }, 40)]);
  const last = (of: { reports: Report[] }): number => of.reports.slice(-10).reduce((sum, { loss: l }) => sum + l / 10, 0);
  expect(last(plain)).toBeLessThan(2.2);
  expect(Math.abs(last(kept) - last(plain))).toBeLessThan(0.02);
});

it('the same bits on any team', async () => {
  const { weights } = await trained({ threads: 1 });
  for (const threads of SOME_TEAMS) expect((await trained({ threads })).weights).toBe(weights);
});

it.each<[string, Options]>([
  ['alone', {}],
  ['with micro-batches of several sizes', { accumulate: 2 }],
  ['with what is computed again', { checkpointed: 'blocks.1' }],
])('a checkpoint goes on as if nothing had been: %s', async (_, options) => {
  const { weights } = await trained(options, 6);
  const before = trainer(options);
  await before.fit(data, { steps: 2 });
  const after = trainer({ ...options, seed: 9 });
  await after.restore(await before.snapshot());
  before.dispose();
  await after.fit(data, { steps: 4 });
  expect(await left(after)).toBe(weights);
});

it('gradients without a step are those of the step', async () => {
  const t = trainer({ model: gpt(0), optimizer: optim.sgd({ lr: 1 }), clip: clip.none() });
  const batch = Object.fromEntries(
    Object.entries(data).map(([name, { data: d }]) => [name, { data: d.slice(0, 8 * TIME), shape: [8, TIME] }]),
  );
  const before = await t.readParameters();
  const { gradients } = await t.gradients(batch as typeof data);
  await t.step(batch as typeof data);
  for (const [name, { data: after }] of await t.readParameters()) {
    const moved = before.get(name)!.data.map((w, i) => w - gradients.get(name)!.data[i]!);
    expect(after, name).toEqual(moved);
  }
  t.dispose();
});

it('op by op, in plain loops', async () => {
  const [loops, compiled] = await Promise.all([trained({ debug: true }, 1), trained({}, 1)]);
  expect(loops.reports[0]!.loss).toBeCloseTo(compiled.reports[0]!.loss, 4);
  expect(loops.reports[0]!.norm / compiled.reports[0]!.norm).toBeCloseTo(1, 3);
});

describe('is refused:', () => {
  it('without products of bf16', async () => {
    const text = "Trainer: option activations: 'bf16' goes with precision: 'bf16'";
    for (const precision of ['f32', undefined] as const) {
      await fails(() => trainer({ precision } as Options), OptionError, 'ERR_OPTION', text);
    }
  });
  it('what is no precision', async () => {
    for (const activations of ['f16', true, 16]) {
      await fails(() => trainer({ activations } as never), OptionError, 'ERR_OPTION', 'Trainer: option activations: expected');
    }
  });
});

it('a warning says where nothing is kept so, by the whole run: too small, or nothing is read again', async () => {
  const told = async (options: Options, rows: number): Promise<string[]> => {
    const t = trainer(options);
    // The last batch of an epoch may be shorter, and keep nothing.
    const { warnings } = await t.fit({ x: first(data.x, rows), y: first(data.y, rows) }, { epochs: 1 });
    t.dispose();
    return warnings.map(({ code, details }) => `${code} ${details.name}`).filter((text) => text.startsWith('nothing'));
  };
  const first = ({ data: all, shape }: typeof data.x, rows: number): typeof data.x => ({
    data: all.slice(0, rows * shape[1]!),
    shape: [rows, shape[1]!],
  });
  const small = new models.GPT(TOKENS, { context: TIME, layers: 1, heads: 2, width: 8 });
  expect(await told({ model: small }, ROWS)).toEqual(['nothingKept activations']);
  expect(await told({ model: small, activations: 'f32' }, ROWS)).toEqual([]);
  expect(await told({}, ROWS)).toEqual([]);
  expect(await told({}, 9)).toEqual([]);
  expect(await told({ batchSize: 1 }, 3)).toEqual(['nothingKept activations']);
});

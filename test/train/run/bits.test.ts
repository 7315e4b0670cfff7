// bits.test.ts: training gives the same bits for any number of threads, async or not, in chunks of any length, interrupted or not, and
// on AVX2 as on AVX-512. (A character RNN and an MLP over their golden batches: golden.test.ts.)
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FitOptions, type nn, rows, runtime, type Source, Trainer, type TrainerOptions } from '../../../lib/index.ts';
import { gathered } from '../../../lib/train/feed/shape.ts';
import { Setup } from '../../../lib/train/state/setup.ts';
import { child } from '../../children/kit.ts';
import { hashOf } from '../../golden/runs/models.ts';
import { type Network, plainHash, VARIANTS } from '../variants.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-'));
const STEPS = 24;

describe.each(Object.entries(VARIANTS))('%s', (name, { data, options }) => {
  const trainer = (threads = 1, seed = 5): Trainer<Network> => new Trainer({ ...options(), threads, seed });
  const hash = async (threads: number, fit: FitOptions, sync = false): Promise<string> => {
    const t = trainer(threads);
    if (sync) t.fitSync(data as Source, fit);
    else await t.fit(data, fit);
    const made = await hashOf(t);
    t.dispose();
    return made;
  };

  it('is large enough for a team', () => {
    const given = options();
    given.model.initialize(1);
    const { batchSize = 32 } = given;
    const source = 'trace' in data ? (data as Source) : rows(data as Parameters<typeof rows>[0]);
    const setup = new Setup({ ...given, threads: 3 } as unknown as TrainerOptions<nn.Module, string>);
    const use = setup.steps({ kind: '', data: source.data }, { rate: () => {}, traced: () => {} });
    const { programs, release } = use.hold([gathered(source, batchSize)]);
    expect(programs[0]!.threads).toBe(3);
    release();
    use.end();
    setup.dispose();
  });

  it('threads, fit and fitSync, one step at a time and many', async () => {
    const reference = await plainHash({ data, options }, STEPS);
    expect(await hash(1, { steps: STEPS, chunkSteps: 1 })).toBe(reference);
    expect(await hash(1, { steps: STEPS, chunkSteps: 50 }, true)).toBe(reference);
    expect(await hash(2, { steps: STEPS, chunkSteps: 50 })).toBe(reference);
    expect(await hash(2, { steps: STEPS, chunkSteps: 1 }, true)).toBe(reference);
    expect(await hash(3, { steps: STEPS })).toBe(reference);
    expect(await hash(1, { steps: STEPS - 1 })).not.toBe(reference);
  });

  it('saved at step 50 and loaded by another trainer, or not', async () => {
    const whole = trainer();
    await whole.fit(data, { steps: 100 });
    const first = trainer(2);
    await first.fit(data, { steps: 50 });
    const file = join(folder, `${name}.safetensors`);
    await first.save(file);
    const second = trainer(1, 77);
    expect(await second.load(file)).toEqual({ missing: [], extra: [] });
    await second.fit(data, { steps: 50 });
    expect(second.counters).toEqual(whole.counters);
    expect(await hashOf(second)).toBe(await hashOf(whole));
    await Promise.all([whole.save(`${file}.a`), second.save(`${file}.b`)]);
    for (const t of [whole, first, second]) t.dispose();
  });
});

it('AVX2, AVX-512 and AVX-512 with BF16', async (context) => {
  const { isa, isas } = runtime();
  const others = isas.filter((i) => i !== isa && i !== 'x86_64');
  if (others.length === 0 || isa === 'x86_64') return context.skip();
  const here: Record<string, string> = {};
  for (const [name, variant] of Object.entries(VARIANTS)) here[name] = await plainHash(variant, STEPS);
  for (const other of others) {
    const ended = await child('bits.js', [String(STEPS)], { env: { GRADCLIP_ISA: other } });
    expect(ended).toMatchObject({ code: 0, errors: '' });
    expect(ended.lines).toEqual([here]);
  }
});

// any-moment.test.ts: whoever saves at whatever moment of a run, from outside or within a callback, has a file from which the run goes on as if it had not been
// interrupted: the same steps, validations, epochs and guards told once, the same bits of all state. Set-ups are drawn at random.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { type Arrays, clip, type FitOptions, guard, io, optim, type Trainer } from '../../../lib/index.ts';
import { classifier, type MLP, points } from '../models.ts';

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'any-moment-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const file = (): string => join(folder, `${files++}.safetensors`);

const RUNS = Number(process.env.GRADCLIP_RUNS ?? 12);
const ROWS = 52;
const WIDTH = 6;
const SIZE = 8;
const validation = points(24);

/** The third batch, as they lie, has huge rows. */
function rowsOf(bad: boolean): ReturnType<typeof points> {
  const data = points(ROWS);
  if (bad) data.x.data.fill(1e4, 2 * SIZE * WIDTH, 3 * SIZE * WIDTH);
  return data;
}

function batchesOf(bad: boolean): Arrays[] {
  const { x, y } = rowsOf(bad);
  return Array.from({ length: Math.ceil(ROWS / SIZE) }, (_, k) => {
    const labels = y.slice(k * SIZE, (k + 1) * SIZE);
    const data = x.data.slice(k * SIZE * WIDTH, (k + 1) * SIZE * WIDTH);
    return { x: { data, shape: [labels.length, WIDTH] }, y: labels };
  });
}

type Fed = Parameters<Trainer<MLP>['fit']>[0];
const FED: Readonly<Record<string, (bad: boolean) => Fed>> = {
  rows: rowsOf,
  list: batchesOf,
  begins: (bad) => () => batchesOf(bad),
  'goes on': (bad) =>
    async function* (at) {
      yield* batchesOf(bad).slice(at.batch);
    },
};

const setups = fc.record({
  fed: fc.constantFrom(...Object.keys(FED)),
  guards: fc.constantFrom('rollback', 'skip', 'warn', null),
  trainer: fc.record({
    accumulate: fc.constantFrom(1, 2, 3),
    rate: fc.constantFrom(0, 0.3),
    rollback: fc.record({ every: fc.constantFrom(1, 2, 5), limit: fc.constantFrom(3, 100) }),
  }),
  ema: fc.boolean(),
  plateau: fc.boolean(),
  lr: fc.constantFrom(0.05, 1),
  fit: fc.record({
    epochs: fc.constantFrom(2, 3),
    steps: fc.constantFrom(5, 14, 100),
    chunkSteps: fc.constantFrom(1, 3, 100),
    validateEvery: fc.constantFrom(null, 1, 3),
    patience: fc.constantFrom(null, 1, 20),
  }),
  within: fc.boolean(),
  moments: fc.array(fc.nat(4), { minLength: 3, maxLength: 6 }),
});
type Setup = typeof setups extends fc.Arbitrary<infer T> ? T : never;

function made({ guards, trainer, ema, plateau, lr }: Setup): Trainer<MLP> {
  return classifier({
    batchSize: SIZE,
    optimizer: optim.adamw({ lr }),
    clip: clip.globalNorm(0.5),
    ...trainer,
    ...(guards && { guards: [guard.loss({ max: 5, action: guards })] }),
    ...(ema && { ema: { decay: 0.9 } }),
    ...(plateau && { plateau: { patience: 0, factor: 0.5 } }),
  });
}

/** Writes down what it is told, and has that in checkpoints. */
class Log {
  readonly name = 'log';
  told: Record<string, string[]> = { step: [], validation: [], epoch: [], guard: [] };
  readonly #save: () => unknown;

  constructor(save: () => unknown = () => {}) {
    this.#save = save;
  }
  onSteps(steps: Iterable<object>): unknown {
    for (const step of steps) this.told.step!.push(JSON.stringify(step));
    return this.#save();
  }
  onValidation(metrics: object): unknown {
    this.told.validation!.push(JSON.stringify(metrics));
    return this.#save();
  }
  onEpoch(end: object): unknown {
    this.told.epoch!.push(JSON.stringify(end));
    return this.#save();
  }
  onGuard(event: object): unknown {
    this.told.guard!.push(JSON.stringify(event));
    return this.#save();
  }
  state(): object {
    return this.told;
  }
  restore(told: unknown): void {
    this.told = told as Log['told'];
  }
}

/** All that came of a run. */
async function outcomeOf(setup: Setup, trainer: Trainer<MLP>, log: Log, more: FitOptions = {}): Promise<object> {
  const { fed, guards, fit } = setup;
  const { validateEvery, patience, ...rest } = fit;
  const options = {
    ...rest,
    validation,
    ...(validateEvery !== null && { validateEvery }),
    ...(patience !== null && { earlyStop: { patience } }),
    callbacks: [log],
    ...more,
  };
  const ended = await trainer.fit(FED[fed]!(guards !== null), options).then(
    ({ stopReason, best }) => ({ stopReason, best }),
    (error) => ({ error: String(error) }),
  );
  const path = file();
  await trainer.save(path);
  const { tensors, metadata } = await io.readSafetensors(path);
  rmSync(path);
  const bytes = [...tensors].map(([name, { data }]) => [
    name,
    Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
  ]);
  return { ended, told: log.told, metadata, bytes };
}

test(
  'a file saved at any moment',
  async () => {
    await fc.assert(
      fc.asyncProperty(setups, async (setup) => {
        const whole = await outcomeOf(setup, made(setup), new Log());
        const saved: string[] = [];
        const trainer = made(setup);
        const save = async (): Promise<void> => {
          const path = file();
          await trainer.save(path);
          saved.push(path);
        };
        const left = [...setup.moments];
        let wait = left.shift()!;
        // Within: in every so manyth call of a callback.
        const log = new Log(() => {
          if (!setup.within || saved.length > setup.moments.length || wait-- > 0) return undefined;
          wait = left.shift() ?? 0;
          return save();
        });
        let on = true;
        const run = outcomeOf(setup, trainer, log).finally(() => {
          on = false;
        });
        if (!setup.within) {
          for (const turns of setup.moments) {
            if (!on) break;
            await save();
            for (let k = 0; k < turns; k++) await new Promise((resolve) => setImmediate(resolve));
          }
        }
        expect(await run).toEqual(whole);
        for (const resume of saved) {
          // A run that has failed was over: another one begins.
          if (!('error' in (whole as { ended: object }).ended)) {
            expect(await outcomeOf(setup, made(setup), new Log(), { resume })).toEqual(whole);
          }
          rmSync(resume);
        }
      }),
      { numRuns: RUNS, seed: 20261130 },
    );
  },
  60_000 + 1000 * RUNS,
);

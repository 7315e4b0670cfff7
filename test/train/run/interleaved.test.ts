// interleaved.test.ts: random calls of one trainer in each other's way. Each ends, with a result or an error of this library, and the
// trainer goes on afterwards.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type Arrays, GradclipError, type Predictor, type Run } from '../../../lib/index.ts';
import { noise } from '../../golden/runs/recipe.ts';
import { classifier, points, stream } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-'));
const data = points(60);
const wrongLabels = { x: data.x, y: data.y.map((y, i) => (i % 20 === 7 ? 5 : y)) };

async function* breaking(): AsyncGenerator<Arrays> {
  yield* stream(points(24), 8);
  throw new GradclipError('ERR_TEST', 'the source broke');
}
async function* stalling(): AsyncGenerator<Arrays> {
  yield* stream(points(16), 8);
  await new Promise(() => {});
}

async function play(seed: number): Promise<void> {
  const draws = noise(seed, 800);
  let at = 0;
  const draw = (n: number): number => draws[at++]! % n;
  const file = join(folder, `${seed}.safetensors`);
  const trainer = classifier({ rate: 0.1, accumulate: 1 + draw(2), threads: 1 + draw(3) });
  await trainer.save(file);
  const calls: Promise<unknown>[] = [];
  const runs: Run[] = [];
  const predictors: Predictor[] = [];
  const controllers: AbortController[] = [];
  let disposed = false;

  const fit = (source: Parameters<typeof trainer.fit>[0]): void => {
    const controller = new AbortController();
    controllers.push(controller);
    const run = trainer.fit(source, {
      steps: 1 + draw(60),
      signal: controller.signal,
      ...(draw(2) === 0 && { chunkSteps: 1 + draw(5) }),
      ...(draw(3) === 0 && { validation: data, validateEvery: 1 + draw(7), earlyStop: { patience: 1 + draw(3) } }),
    });
    runs.push(run);
    calls.push(run.then());
    if (draw(3) === 0) calls.push(read(run, draw(30)));
  };
  const read = async (run: Run, most: number): Promise<void> => {
    let count = 0;
    for await (const _ of run) {
      if (++count > most) break;
      if (count % 10 === 0) await trainer.predict(data.x);
    }
  };
  const actions = [
    () => fit(data),
    () => fit(data),
    () => fit(() => stream(data, 8)),
    () => fit(wrongLabels),
    () => fit(breaking()),
    () => fit(stalling()),
    () => trainer.fitSync(data, { steps: 1 + draw(5) }),
    () => trainer.evaluateSync(data),
    () => runs.at(-1)?.stop(),
    () => controllers.at(-1)?.abort(),
    () => calls.push(trainer.predict(data.x, { batchSize: 1 + draw(20) })),
    () => calls.push(trainer.evaluate(data, { batchSize: 1 + draw(20) })),
    () => trainer.predictSync(data.x),
    () => calls.push(trainer.run(({ x }, model) => ({ y: model.forward(x) }), data.x)),
    () => predictors.push(trainer.predictor()),
    () => predictors.at(-1)?.predictSync(data.x),
    () => predictors.at(-1)?.updateSync(),
    () => void (predictors.length > 0 && calls.push(predictors.at(-1)!.predict(data.x), predictors.at(-1)!.update())),
    () => predictors.at(-draw(3))?.dispose(),
    () => calls.push(trainer.save(file)),
    () => calls.push(trainer.readParameters()),
    () => calls.push(trainer.load(file)),
  ];
  for (let k = 0; k < 35; k++) {
    if (draw(60) === 0) {
      trainer.dispose();
      disposed = true;
    }
    try {
      actions[draw(actions.length)]!();
    } catch (error) {
      expect(error).toBeInstanceOf(GradclipError);
    }
    for (const call of calls) call.catch(() => {});
    if (draw(3) === 0) await sleep(draw(4));
    if (draw(8) === 0 && calls.length > 0) await Promise.race([calls[draw(calls.length)]!.catch(() => {}), sleep(20)]);
  }
  for (const run of runs) run.stop();
  for (const ended of await Promise.allSettled(calls)) {
    if (ended.status === 'rejected') expect(ended.reason).toBeInstanceOf(GradclipError);
  }
  if (disposed) return;
  const { step } = trainer.counters;
  expect(await trainer.fit(data, { steps: 2 })).toMatchObject({ tried: 2 });
  expect(trainer.counters.step).toBe(step + 2);
  trainer.dispose();
}

it.each(Array.from({ length: 20 }, (_, seed) => seed + 1))('seed %i', play);

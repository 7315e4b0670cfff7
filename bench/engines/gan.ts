// gan.ts: iterations of a Wasserstein GAN: two trainers of one model in turns, as a user takes single steps.
import { fileURLToPath } from 'node:url';
import { type Cell, type Sample, sampleCalls, sampleOf } from '../../lib/cli/bench/sample.ts';
import { ITERATIONS, WganTraining, wganGolden } from '../../test/golden/runs/wgan.ts';

// This file runs from dist/bench/engines.
const GOLDEN = fileURLToPath(new URL('../../../test/golden/runs/', import.meta.url));

export async function ganCell(_: string, threads: number): Promise<Cell> {
  const training = new WganTraining(wganGolden(GOLDEN), threads);
  const { critic, generator } = training.losses(ITERATIONS);
  const params = training.model.parameters().reduce((sum, p) => sum + p.size, 0);
  return {
    info: { params, critic, generator },
    variants: {
      step: (seconds) => sampleCalls(() => training.iterationSync(), 1, seconds),
      async awaited(seconds): Promise<Sample> {
        const times: number[] = [];
        const end = performance.now() + seconds * 1000;
        while (times.length < 3 || performance.now() < end) {
          const start = performance.now();
          await training.iteration();
          times.push(performance.now() - start);
        }
        return sampleOf(times, 1);
      },
    },
    dispose: () => training.dispose(),
  };
}

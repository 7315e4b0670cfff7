// requests.ts: predictions of one row by a predictor, in an idle process and while the model is trained.
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { type Cell, type Sample, sampleOf } from '../../lib/cli/bench/sample.ts';
import * as clip from '../../lib/clip/index.ts';
import * as optim from '../../lib/optim/index.ts';
import { Trainer } from '../../lib/train/index.ts';
import { fillParameters, loadWorkload } from '../workload.ts';

const PAUSE_MS = 5;
/** How requests come: `paused` by so many ms, one right after the other (`steady`), and the same by `predict`, which is awaited. */
const WAYS = ['paused', 'steady', 'awaited'] as const;
type Way = (typeof WAYS)[number];

/** `workload/way` for each of these workloads. */
export const REQUEST_CELLS: readonly string[] = ['mlp-large', 'mlp-small'].flatMap((name) => WAYS.map((way) => `${name}/${way}`));

/** @param threads of the fit */
export async function requestsCell(cell: string, threads: number): Promise<Cell> {
  const [name, way] = cell.split('/') as [string, Way];
  const WORKLOAD = await loadWorkload(name);
  const { loss, optimizer } = WORKLOAD;
  const model = WORKLOAD.model();
  fillParameters(model, WORKLOAD.bounds);
  const batch = WORKLOAD.batch();
  const trainer = new Trainer({
    model,
    loss,
    optimizer: optimizer === 'sgd' ? optim.sgd({ lr: 1e-4, momentum: 0.9 }) : optim.adamw({ lr: 1e-4 }),
    clip: clip.globalNorm(1),
    batchSize: batch.x.shape[0]!,
    threads,
  });
  const predictor = trainer.predictor();
  const [rows, ...rest] = batch.x.shape as [number, ...number[]];
  const row = { data: batch.x.data.slice(0, batch.x.data.length / rows), shape: [1, ...rest] };
  const request = (): unknown => (way === 'awaited' ? predictor.predict(row) : predictor.predictSync(row));
  for (let k = 0; k < 20; k++) await request();

  const ask = async (seconds: number, times: number[]): Promise<Sample> => {
    const first = times.length;
    const end = performance.now() + seconds * 1000;
    do {
      await (way === 'paused' ? pause(PAUSE_MS) : turn());
      const start = performance.now();
      await request();
      times.push(performance.now() - start);
    } while (performance.now() < end);
    const sorted = times.toSorted((a, b) => a - b);
    return { ...sampleOf(times.slice(first), 1), ...{ p99_ms: sorted[Math.floor(0.99 * sorted.length)]!, all: times.length } };
  };
  const [idle, during]: [number[], number[]] = [[], []];
  return {
    info: { params: model.parameters().reduce((sum, p) => sum + p.size, 0) },
    variants: {
      idle: (seconds) => ask(seconds, idle),
      async during(seconds) {
        const run = trainer.fit(batch, { steps: 1e9 });
        const { step } = trainer.counters;
        while (trainer.counters.step < step + 3) await pause(1);
        const sample = await ask(seconds, during);
        run.stop();
        await run;
        return sample;
      },
    },
  };
}

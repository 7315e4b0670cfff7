// mpi.ts: whole training steps by processes of one thread each, over MPI, beside those of one process with as many threads.
import { Stepper } from '../../lib/cli/bench/stepper.ts';
import * as clip from '../../lib/clip/index.ts';
import { launchers, Ranks } from '../mpi/ranks.ts';
import { fillParameters, loadWorkload } from '../workload.ts';
import type { Served } from './serve.ts';
import { warmUp } from './step.ts';

interface First {
  readonly loss: readonly number[];
  readonly norm: readonly number[];
}

/** Parts of a batch: what a trainer cuts it into where nobody says another number, or as many of these as it can be cut into. */
const partsOf = (rows: number): number => [8, 4, 2, 1].find((parts) => rows % parts === 0)!;

/** @param size processes, and threads of the one */
export async function mpiCell(name: string, size: number): Promise<Served | string> {
  const [launcher] = launchers(process.env.MPIRUN ? [process.env.MPIRUN] : undefined);
  if (!launcher) return 'no mpirun (MPIRUN names one)';
  const { model: make, bounds, batch, loss, optimizer } = await loadWorkload(name);
  const model = make();
  fillParameters(model, bounds);
  const one = batch();
  const rows = one.x.shape[0]!;
  if (rows % size !== 0) return `a batch of ${rows} rows is not for ${size} processes`;
  await warmUp();
  const threads = new Stepper({ model, batch: one, loss, optimizer }, clip.globalNorm(1), size);
  const alone = await threads.first(3);
  await threads.run(0);
  const ranks = await Ranks.start(launcher, size, 1);
  const together = await ranks.ask<First>({ open: name, shards: size });
  let [open, ms] = [`${size} false`, (await ranks.ask<{ median_ms: number }>({ steps: 4 })).median_ms];
  /** As many parts as are wanted, of which each process has some; and whether updates are shared out. */
  const among = (shards: number, shardOptimizer: boolean) => async (seconds: number) => {
    const wanted = `${shards} ${shardOptimizer}`;
    if (open !== wanted) {
      await ranks.ask({ open: name, shards, shardOptimizer });
      open = wanted;
    }
    const sample = await ranks.steps(seconds, ms);
    ms = sample.median_ms;
    return sample;
  };
  const parts = partsOf(rows);
  return {
    info: {
      params: threads.params,
      ...{ library: ranks.who.library, ranks: ranks.who.size, parts },
      ...{ loss: together.loss, norm: together.norm, chunk_loss: alone.loss, chunk_norm: alone.norm },
    },
    variants: {
      ranks: among(size, false),
      shared: among(size, true),
      threads: (seconds) => threads.run(seconds),
      ...(parts > size && { parts: among(parts, false) }),
    },
    async dispose() {
      threads.dispose();
      await ranks.close();
    },
  };
}

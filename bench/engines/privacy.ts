// privacy.ts: steps that clip the gradient of each sample and add noise, beside the ordinary step of the same model, and what memory both take.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Stepper } from '../../lib/cli/bench/stepper.ts';
import * as clip from '../../lib/clip/index.ts';
import { watchMemory } from '../memory.ts';
import { fillParameters, loadWorkload } from '../workload.ts';
import type { Served } from './serve.ts';
import { warmUp } from './step.ts';

/** Deviation of the noise, in thresholds of 1: as in bench/peers/opacus_peer.py. */
const NOISE = 1.1;

/**
 * `plain`: the ordinary step, clipped by its norm; `clipped`: each sample is, and nothing is added; `seeded`: noise is, of the trainer's
 * seed; `private`: noise of the system's key.
 */
export type Way = 'plain' | 'clipped' | 'seeded' | 'private';
const POLICIES: Readonly<Record<Way, () => clip.ClipPolicy>> = {
  plain: () => clip.globalNorm(1),
  clipped: () => clip.perSample(1),
  seeded: () => clip.perSample(1, { noise: NOISE, secure: false }),
  private: () => clip.perSample(1, { noise: NOISE }),
};

async function stepper(name: string, way: Way, threads: number): Promise<Stepper> {
  const { model: make, bounds, batch, loss, optimizer } = await loadWorkload(name);
  const model = make();
  fillParameters(model, bounds);
  return new Stepper({ model, batch: batch(), loss, optimizer }, POLICIES[way](), threads);
}

/** What three steps take at most above what there was, in MiB, in this process: of one way only, since memory that another one gave back is used again. */
export async function memoryOf(name: string, way: Way, threads: number): Promise<number | null> {
  await warmUp();
  const memory = watchMemory();
  const steps = await stepper(name, way, threads);
  await steps.first(3);
  const mib = memory();
  steps.dispose();
  return mib;
}

/** The same in a process of its own. */
async function memoryApart(name: string, way: Way, threads: number): Promise<number | null> {
  const file = fileURLToPath(new URL('./privacy-memory.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [file, name, way, String(threads)]);
  return JSON.parse(stdout) as number | null;
}

/** @param memory of one way, where the process that times steps does not measure it itself */
export async function privacyCell(name: string, threads: number, memory: typeof memoryOf = memoryApart): Promise<Served> {
  const [plain_mib, private_mib] = [await memory(name, 'plain', threads), await memory(name, 'private', threads)];
  await warmUp();
  const ways = Object.keys(POLICIES) as Way[];
  const all = await Promise.all(ways.map((way) => stepper(name, way, threads)));
  const steppers = Object.fromEntries(ways.map((way, i) => [way, all[i]!])) as Record<Way, Stepper>;
  const { loss, norm } = await steppers.clipped.first(1);
  return {
    info: { params: steppers.plain.params, loss, norm, plain_mib, private_mib },
    variants: Object.fromEntries(ways.map((way) => [way, (seconds: number) => steppers[way].run(seconds)])),
    dispose() {
      for (const one of all) one.dispose();
    },
  };
}

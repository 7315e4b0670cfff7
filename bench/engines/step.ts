// step.ts: whole training steps of a workload; beside them what the machine can do, and products alone.

import { dotProbe, fmaProbe, streamProbe } from '../../lib/cli/bench/probe.ts';
import { type Cell, sampleCalls } from '../../lib/cli/bench/sample.ts';
import { Stepper } from '../../lib/cli/bench/stepper.ts';
import * as clip from '../../lib/clip/index.ts';
import type { Tensor } from '../../lib/ir/graph.ts';
import * as nn from '../../lib/nn/index.ts';
import { crossEntropy } from '../../lib/nn/loss/index.ts';
import type { Batch } from '../../lib/train/feed/source.ts';
import type { InstructionProfile } from '../../lib/train/flow/profile.ts';
import { watchMemory } from '../memory.ts';
import type { Precision } from '../ours.ts';
import { fillParameters, loadWorkload } from '../workload.ts';
import { product, productTimes, type Sizes } from './product.ts';

/** A stream over less is no faster, but takes as long to begin; one over more is no slower. */
const STREAM_BYTES = { least: 1e5, most: 1.5e8 } as const;

/** A small step of everything, so that what is loaded and compiled with the first use is not counted as a model's memory: as PyTorch's peer. */
export async function warmUp(): Promise<void> {
  const model = new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.BatchNorm2d(2), new nn.Flatten(), new nn.Linear(8, 4));
  const batch = { x: { data: new Float32Array(32), shape: [2, 1, 4, 4] }, y: { data: new Int32Array(2), shape: [2] } };
  const loss = ({ x, y }: Batch): Tensor => crossEntropy(model.forward(x), y);
  const stepper = new Stepper({ model, batch, loss, optimizer: 'adamw' }, clip.globalNorm(1), 1);
  await stepper.first(1);
  stepper.dispose();
}

export async function stepCell(name: string, threads: number, precision: Precision = 'f32'): Promise<Cell> {
  const WORKLOAD = await loadWorkload(name);
  const stepper = (policy: clip.ClipPolicy): Stepper => {
    const { loss, optimizer } = WORKLOAD;
    const model = WORKLOAD.model();
    fillParameters(model, WORKLOAD.bounds);
    return new Stepper({ model, batch: WORKLOAD.batch(), loss, optimizer, precision }, policy, threads);
  };
  await warmUp();
  const memory = watchMemory();
  const clipped = stepper(clip.globalNorm(1));
  const first = await clipped.first(3);
  const memory_mib = memory();
  let free: Stepper | undefined;
  const cost = await costOf(clipped);
  const fma = fmaProbe(threads);
  const dot = precision === 'bf16' ? dotProbe(threads) : null;
  const moved = Math.min(Math.max(cost.update_bytes, STREAM_BYTES.least), STREAM_BYTES.most);
  const stream = streamProbe('axpy', moved, threads);
  const timed = (trans: string, sizes: Sizes) => {
    const [run, times] = [product(trans, sizes, threads, precision), productTimes(sizes)];
    return (seconds: number) => sampleCalls(() => run(times), times, seconds);
  };
  const low = dot && { precision, dot_flops: dot.flops };
  const probes = { fma_flops: fma.flops, stream_bytes: stream.bytes, product: WORKLOAD.product };
  return {
    info: { params: clipped.params, ...first, memory_mib, chunk: clipped.chunk, ...cost, ...probes, ...low },
    variants: {
      step: (seconds) => clipped.run(seconds),
      awaited: (seconds) => clipped.awaited(seconds),
      fit_each: (seconds) => clipped.fitEach(seconds),
      noclip(seconds) {
        free ??= stepper(clip.none({ measure: false }));
        return free.run(seconds);
      },
      fma: (seconds) => fma.sample(seconds),
      ...(dot && { dot: (seconds) => dot.sample(seconds) }),
      stream: (seconds) => stream.sample(seconds),
      square: timed('nn', [1024, 1024, 1024]),
      // As a linear layer has it.
      product: timed('nt', WORKLOAD.product),
    },
  };
}

/**
 * What a step does by its ops' own account. `bf16_flops` are those of instructions whose products are in bf16, `flops` all others; `update_bytes`:
 * parameters, gradients and slots as the updates read and write them.
 */
async function costOf(stepper: Stepper): Promise<Readonly<Record<'flops' | 'bf16_flops' | 'bytes' | 'update_bytes', number>>> {
  const { instrs, steps } = await stepper.profile(0);
  const sum = (key: 'flops' | 'bytes', of: (instr: InstructionProfile) => boolean): number =>
    instrs.filter(of).reduce((total, instr) => total + (instr[key] * instr.calls) / steps, 0);
  return {
    flops: sum('flops', ({ bf16 }) => !bf16),
    bf16_flops: sum('flops', ({ bf16 }) => bf16),
    bytes: sum('bytes', () => true),
    update_bytes: sum('bytes', ({ kernel }) => kernel.startsWith('update_')),
  };
}

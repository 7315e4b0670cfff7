// clip-step.ts: the optimizer phase alone, on the caller's own arrays: clip and update in one native call.
import * as clip from '../../clip/index.ts';
import { drawsFor } from '../../nn/module/draws.ts';
import { uniform } from '../../nn/module/init.ts';
import * as optim from '../../optim/index.ts';
import { type Cell, sampleCalls } from './sample.ts';

const CASES: Readonly<Record<string, readonly number[]>> = {
  '25x1M': Array(25).fill(1024 * 1024),
  '2000x8k': Array(2000).fill(8192),
  '200x4k': Array(200).fill(4096),
  '6x40k': [784 * 256, 256, 256 * 128, 128, 128 * 10, 10],
};
const LR = 1e-6;

export const CLIP_CELLS: readonly string[] = Object.keys(CASES).flatMap((c) => [`${c}/adamw`, `${c}/sgdm`]);

export async function clipCell(cell: string, threads: number): Promise<Cell> {
  const [name, optimizer] = cell.split('/') as [string, 'adamw' | 'sgdm'];
  const sizes = CASES[name]!;
  const params = sizes.map((n, i) => values('parameter', i, n));
  const grads = sizes.map((n, i) => values('gradient', i, n));
  const make = optimizer === 'adamw' ? optim.adamw({ lr: LR }) : optim.sgd({ lr: LR, momentum: 0.9 });
  const policies: Record<string, clip.ClipPolicy> = {
    update: clip.none({ measure: false }),
    // PyTorch's own value clip does not look for a NaN either; `value_checked_step` does, as is the default.
    global_norm_step: clip.globalNorm(1),
    value_step: clip.value(0.5, { nonFinite: 'propagate' }),
    value_checked_step: clip.value(0.5),
  };
  verify(params, grads, optimizer, () => make.bind(params, { clip: policies.global_norm_step!, threads }).step(grads));
  const variants = Object.entries(policies).map(([variant, policy]) => {
    const bound = make.bind(params, { clip: policy, threads });
    bound.step(grads);
    return [variant, (seconds: number) => sampleCalls(() => bound.step(grads), 1, seconds)] as const;
  });
  return {
    info: { params: sizes.reduce((a, b) => a + b, 0), tensors: sizes.length },
    variants: Object.fromEntries(variants),
  };
}

/** Uniform in [-1, 1). */
export function values(name: string, i: number, n: number): Float32Array {
  const out = new Float32Array(n);
  uniform(-1, 1)(out, [n], drawsFor(BigInt(i), name));
  return out;
}

/** The first clipped step of some elements of each tensor, against the formula in f64. */
function verify(params: Float32Array[], grads: Float32Array[], optimizer: 'adamw' | 'sgdm', step: () => unknown): void {
  let squares = 0;
  for (const g of grads) for (const v of g) squares += v * v;
  const scale = Math.min(1, 1 / Math.sqrt(squares));
  const spots = params.flatMap((p, i) =>
    [0, p.length >> 1, p.length - 1].map((at) => ({ p, at, before: p[at]!, g: grads[i]![at]! * scale })),
  );
  step();
  for (const { p, at, before, g } of spots) {
    const after = optimizer === 'adamw' ? before * (1 - LR * 0.01) - (LR * g) / (Math.abs(g) + 1e-8) : before - LR * g;
    if (Math.abs(p[at]! - after) > 1.2e-7 * Math.abs(before)) throw new Error(`wrong update: expected ${after}, got ${p[at]}`);
  }
}

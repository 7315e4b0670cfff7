// gemm.ts: one product; and fma in registers, or the instruction for bf16, which no product can outrun.

import { dotProbe, fmaProbe } from '../../lib/cli/bench/probe.ts';
import { type Cell, sampleCalls } from '../../lib/cli/bench/sample.ts';
import type { Precision } from '../ours.ts';
import { product, productTimes, type Sizes } from './product.ts';

export async function gemmCell(cell: string, threads: number, precision: Precision): Promise<Cell> {
  const [trans, size] = cell.split('/') as [string, string];
  const sizes = size.split('x').map(Number) as unknown as Sizes;
  const run = product(trans, sizes, threads, precision);
  const times = productTimes(sizes);
  const low = precision === 'bf16';
  const peak = low ? dotProbe(threads) : fmaProbe(threads);
  const [m, n, k] = sizes;
  return {
    info: { trans, m, n, k, ...(low && { precision }), peak_flops: peak.flops },
    variants: {
      gradclip: (seconds) => sampleCalls(() => run(times), times, seconds),
      peak: (seconds) => peak.sample(seconds / 4),
    },
  };
}

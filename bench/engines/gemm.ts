// gemm.ts: one f32 product; and fma in registers, which no product can outrun.

import { fmaProbe } from '../../lib/cli/bench/probe.ts';
import { type Cell, sampleCalls } from '../../lib/cli/bench/sample.ts';
import { product, productTimes, type Sizes } from './product.ts';

export async function gemmCell(cell: string, threads: number): Promise<Cell> {
  const [trans, size] = cell.split('/') as [string, string];
  const sizes = size.split('x').map(Number) as unknown as Sizes;
  const run = product(trans, sizes, threads);
  const times = productTimes(sizes);
  const fma = fmaProbe(threads);
  const [m, n, k] = sizes;
  return {
    info: { trans, m, n, k, fma_flops: fma.flops },
    variants: {
      gradclip: (seconds) => sampleCalls(() => run(times), times, seconds),
      fma: (seconds) => fma.sample(seconds / 4),
    },
  };
}

// gemm.ts: one f32 product, as a program of its own; and fma in registers, which no product can outrun.

import { fmaProbe } from '../../lib/cli/bench/probe.ts';
import { type Cell, sampleCalls } from '../../lib/cli/bench/sample.ts';
import { compile } from '../../lib/compile/compile.ts';
import { defaultLayout } from '../../lib/compile/layout.ts';
import { Graph } from '../../lib/ir/graph.ts';
import { allocate, CompiledProgram, target } from '../../lib/native/program.ts';
import { matmul, slice } from '../../lib/ops/index.ts';
import { uniform } from '../../test/golden/runs/recipe.ts';

export async function gemmCell(cell: string, threads: number): Promise<Cell> {
  const [trans, size] = cell.split('/') as [string, string];
  const [m, n, k] = size.split('x').map(Number) as [number, number, number];
  const [transA, transB] = [trans[0] === 't', trans[1] === 't'];
  const graph = new Graph('eval');
  const a = graph.input('a', { dtype: 'f32', shape: transA ? [k, m] : [m, k] }, 'data');
  const b = graph.input('b', { dtype: 'f32', shape: transB ? [n, k] : [k, n] }, 'data');
  // The last row goes out, to be verified; copying all of it would be timed too.
  graph.output('row', slice(matmul(a, b, { transA, transB }), { start: m - 1 }));

  const layout = defaultLayout(graph);
  const program = compile(graph, { ...target(), layout });
  const blocks = layout.blocks.map((block) => allocate(Math.max(1, block.bytes)));
  const data = { a: uniform(1, m * k), b: uniform(2, k * n) };
  for (const [name, at] of layout.data) blocks[at]!.write(0, data[name as 'a' | 'b']);
  const bound = new CompiledProgram(program).bind(blocks);
  const counters = { seed: 0n, attempt: 0, stepCount: 0, skips: 0, maxSkips: 0 };
  const run = (steps: number) => bound.runSync({ steps, micros: 1, threads, ...counters });

  const row = new Float32Array(run(1).report, program.report.columns[0]!.offset, n);
  for (const j of [0, n >> 1, n - 1]) {
    let expected = 0;
    for (let i = 0; i < k; i++) {
      expected += data.a[transA ? i * m + m - 1 : (m - 1) * k + i]! * data.b[transB ? j * k + i : i * n + j]!;
    }
    if (Math.abs(row[j]! - expected) > 1e-6 * k) throw new Error(`wrong product: expected ${expected}, got ${row[j]}`);
  }
  const steps = Math.max(1, Math.floor(2e7 / (2 * m * n * k)));
  const fma = fmaProbe(threads);
  return {
    info: { trans, m, n, k, fma_flops: fma.flops },
    variants: {
      gradclip: (seconds) => sampleCalls(() => run(steps), steps, seconds),
      fma: (seconds) => fma.sample(seconds / 4),
    },
  };
}

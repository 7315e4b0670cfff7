// product.ts: one product of f32 tensors as a program of its own, verified.
import { compile } from '../../lib/compile/compile.ts';
import { defaultLayout } from '../../lib/compile/layout.ts';
import { Graph } from '../../lib/ir/graph.ts';
import { toBf16 } from '../../lib/math/bf16.ts';
import { allocate, CompiledProgram, target } from '../../lib/native/program.ts';
import { matmul, slice } from '../../lib/ops/index.ts';
import { uniform } from '../../test/golden/runs/recipe.ts';
import type { Precision } from '../ours.ts';

export type Sizes = readonly [m: number, n: number, k: number];

/**
 * Runs it so many times.
 * @param trans `nt`: the first as it is, the second transposed
 */
export function product(trans: string, [m, n, k]: Sizes, threads: number, precision: Precision = 'f32'): (times: number) => void {
  const [transA, transB] = [trans[0] === 't', trans[1] === 't'];
  const graph = new Graph('eval');
  graph.precision = precision;
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

  const given = precision === 'bf16' ? toBf16 : (x: number): number => x;
  const row = new Float32Array(run(1).report, program.report.columns[0]!.offset, n);
  for (const j of [0, n >> 1, n - 1]) {
    let expected = 0;
    for (let i = 0; i < k; i++) {
      expected += given(data.a[transA ? i * m + m - 1 : (m - 1) * k + i]!) * given(data.b[transB ? j * k + i : i * n + j]!);
    }
    if (Math.abs(row[j]! - expected) > 1e-6 * k) throw new Error(`wrong product: expected ${expected}, got ${row[j]}`);
  }
  return run;
}

/** How many of them take long enough for the clock. */
export function productTimes([m, n, k]: Sizes): number {
  return Math.max(1, Math.floor(2e7 / (2 * m * n * k)));
}

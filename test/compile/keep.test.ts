// keep.test.ts: what the backward pass reads of the forward pass, kept as bf16: gradients against plain loops that round the same, the forward pass untouched,
// the same bits on any team, memory that is free meanwhile.
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { compile } from '../../lib/compile/compile.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { checkpoint } from '../../lib/ir/recompute.ts';
import { toBf16 } from '../../lib/math/bf16.ts';
import { addon } from '../../lib/native/addon.ts';
import { target } from '../../lib/native/program.ts';
import { add, broadcastTo, concat, gather, gelu, gru, layerNorm, matmul, mean, mul, relu, reshape } from '../../lib/ops/index.ts';
import { TEAMS } from '../kit.ts';
import { runGraph } from '../run-graph.ts';

const [ROWS, WIDTH, LAYERS] = [68, 64, 4];

function values(seed: number, length: number, scale: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return scale * (state / 2 ** 31 - 1);
  });
}
const INPUTS = {
  x: values(1, ROWS * WIDTH, 1),
  ...Object.fromEntries(Array.from({ length: LAYERS }, (_, k) => [`w${k}`, values(k + 2, WIDTH * WIDTH, 0.3)])),
};

interface Built {
  readonly graph: Graph;
  readonly x: Tensor;
  readonly ws: readonly Tensor[];
}
function begin(activations: 'f32' | 'bf16'): Built {
  const graph = new Graph('train');
  graph.activations = activations;
  const x = graph.input('x', { dtype: 'f32', shape: [ROWS, WIDTH] }, 'feed');
  const ws = Array.from({ length: LAYERS }, (_, k) => graph.input(`w${k}`, { dtype: 'f32', shape: [WIDTH, WIDTH] }, 'feed'));
  return { graph, x, ws };
}
function end({ graph, ws }: Built, y: Tensor): Graph {
  const loss = mean(mul(y, y));
  graph.output('loss', loss);
  for (const [k, g] of grad(loss, ws).entries()) graph.output(`g${k}`, g);
  return graph;
}

/** Layers one after the other, `act(y w)`. */
function chain(activations: 'f32' | 'bf16', act: (x: Tensor) => Tensor): Graph {
  const built = begin(activations);
  return end(
    built,
    built.ws.reduce((y, w) => act(matmul(y, w)), built.x),
  );
}
/** As in a transformer: what goes by and what is normalized, within a checkpointed call or not. */
function residual(activations: 'f32' | 'bf16', again = false): Graph {
  const built = begin(activations);
  const block = (y: Tensor, w: Tensor): Tensor => add(y, gelu(matmul(layerNorm(y), w)));
  const call = (y: Tensor, w: Tensor): Tensor => (again ? checkpoint(built.graph, () => block(y, w)) : block(y, w));
  return end(built, built.ws.reduce(call, built.x));
}
/** What the first layer gives is wanted again after the last. */
function bridge(activations: 'f32' | 'bf16'): Graph {
  const built = begin(activations);
  const first = matmul(built.x, built.ws[0]!);
  return end(
    built,
    add(
      built.ws.slice(1).reduce((y, w) => relu(matmul(y, w)), first),
      first,
    ),
  );
}

/** What the backward pass reads are later outputs, too: gates beside states. */
function recurrent(activations: 'f32' | 'bf16'): Graph {
  const built = begin(activations);
  const batch = 4;
  const zeros = (...shape: number[]): Tensor => broadcastTo(built.graph.scalar(0), shape);
  const layer = (y: Tensor, w: Tensor): Tensor => {
    const gates = reshape(concat([y, y, y], 1), [batch, ROWS / batch, 3 * WIDTH]);
    const { states } = gru(gates, zeros(batch, WIDTH), concat([w, w, w]), zeros(3 * WIDTH));
    return reshape(states, [ROWS, WIDTH]);
  };
  return end(built, built.ws.reduce(layer, built.x));
}

const kernels = (graph: Graph): string[] => compile(graph, target()).instrs.map(({ kernel }) => kernel);
const count = (graph: Graph, kernel: string): number => kernels(graph).filter((k) => k === kernel).length;

/** Gradients of `chain` with relu in f64; the backward pass reads what comes before each activation through `round`. */
function truth(round: (x: number) => number): Float64Array[] {
  const product = (
    a: ArrayLike<number>,
    b: ArrayLike<number>,
    at: (i: number, p: number) => number,
    to: (p: number, j: number) => number,
    sizes: [number, number, number],
  ) => {
    const [m, n, k] = sizes;
    const y = new Float64Array(m * n);
    for (let i = 0; i < m; i++)
      for (let p = 0; p < k; p++) for (let j = 0; j < n; j++) y[i * n + j]! += a[at(i, p)]! * b[to(p, j)]!;
    return y;
  };
  const ws = Array.from({ length: LAYERS }, (_, k) => INPUTS[`w${k}` as 'x']);
  const hs: Float64Array[] = [];
  let y: ArrayLike<number> = INPUTS.x;
  for (const w of ws) {
    const h = product(
      y,
      w,
      (i, p) => i * WIDTH + p,
      (p, j) => p * WIDTH + j,
      [ROWS, WIDTH, WIDTH],
    );
    hs.push(h);
    y = h.map((v) => Math.max(v, 0));
  }
  let dy = Float64Array.from(y, (v) => (2 * v) / (ROWS * WIDTH));
  // The loss writes as much as the last one takes: it lies idle, too.
  const read = hs.map((h) => h.map(round));
  const gradients: Float64Array[] = [];
  for (let k = LAYERS - 1; k >= 0; k--) {
    const dh = dy.map((v, i) => (read[k]![i]! > 0 ? v : 0));
    const a = k === 0 ? INPUTS.x : read[k - 1]!.map((v) => Math.max(v, 0));
    gradients.unshift(
      product(
        a,
        dh,
        (i, p) => p * WIDTH + i,
        (p, j) => p * WIDTH + j,
        [WIDTH, WIDTH, ROWS],
      ),
    );
    dy = product(
      dh,
      ws[k]!,
      (i, p) => i * WIDTH + p,
      (p, j) => j * WIDTH + p,
      [ROWS, WIDTH, WIDTH],
    );
  }
  return gradients;
}

const far = (got: ArrayLike<number>, want: ArrayLike<number>): number => {
  const scale = Math.max(...Array.from(want, Math.abs));
  return Math.max(...Array.from(want, (w, i) => Math.abs(got[i]! - w) / scale));
};

describe.each([true, false])('fused: %s', (fuse) => {
  it('gives the gradients of what was rounded, as plain loops', () => {
    const got = runGraph(chain('bf16', relu), { inputs: INPUTS, fuse });
    const [rounded, exact] = [truth(toBf16), truth((x) => x)];
    for (let k = 0; k < LAYERS; k++) expect(far(got.get(`g${k}`)!, rounded[k]!), `g${k}`).toBeLessThan(2e-5);
    // Of all but the first an operand was rounded: this would see it, were it not.
    for (let k = 1; k < LAYERS; k++) expect(far(got.get(`g${k}`)!, exact[k]!), `g${k}`).toBeGreaterThan(2e-4);
  });

  it.each([
    ['chain', (a: 'f32' | 'bf16') => chain(a, gelu)],
    ['residual', residual],
    ['checkpointed', (a: 'f32' | 'bf16') => residual(a, true)],
    ['bridge', bridge],
    ['recurrent', recurrent],
  ])('leaves the forward pass as it is, and gradients near what they were: %s', (_, build) => {
    const [kept, plain] = (['bf16', 'f32'] as const).map((a) => runGraph(build(a), { inputs: INPUTS, fuse }));
    expect(kept!.get('loss')).toEqual(plain!.get('loss'));
    for (let k = 0; k < LAYERS; k++) {
      const error = far(kept!.get(`g${k}`)!, plain!.get(`g${k}`)!);
      expect(error, `g${k}`).toBeLessThan(1e-2);
    }
    const differs = Array.from({ length: LAYERS }, (_, k) => far(kept!.get(`g${k}`)!, plain!.get(`g${k}`)!)).some((e) => e > 0);
    expect(differs).toBe(true);
  });
});

it.each([
  ['chain', () => chain('bf16', gelu)],
  ['residual', () => residual('bf16')],
  ['checkpointed', () => residual('bf16', true)],
])('gives the same bits on any team and every ISA with fma: %s', (_, build) => {
  const expected = runGraph(build(), { inputs: INPUTS });
  for (const isa of addon().isas.filter((name) => name !== 'x86_64')) {
    for (const threads of TEAMS) expect(runGraph(build(), { inputs: INPUTS, isa, threads })).toEqual(expected);
  }
});

it('keeps one bf16 a layer: what follows from it is computed again', () => {
  expect(count(chain('bf16', gelu), 'narrow')).toBe(LAYERS);
  expect(count(chain('bf16', gelu), 'widen')).toBe(LAYERS);
  expect(kernels(chain('f32', gelu)).filter((k) => k === 'narrow' || k === 'widen')).toEqual([]);
  expect(count(residual('bf16'), 'layerNorm')).toBeGreaterThan(count(residual('f32'), 'layerNorm'));
});

it('takes a batch from a data set as that of a stream: neither is an activation', () => {
  const built = (from: 'data' | 'feed'): Graph => {
    const { graph, ws } = begin('bf16');
    const rows = (role: 'data' | 'feed', count: number): Tensor =>
      graph.input('rows', { dtype: 'f32', shape: [count, WIDTH] }, role);
    const x =
      from === 'feed'
        ? rows('feed', ROWS)
        : gather(rows('data', 100), graph.input('at', { dtype: 'i32', shape: [ROWS] }, 'feed'));
    return end(
      { graph, x, ws },
      ws.reduce((y, w) => relu(matmul(y, w)), x),
    );
  };
  const [stream, set] = [built('feed'), built('data')].map((graph) => kernels(graph).filter((kernel) => kernel !== 'gather'));
  expect(set).toEqual(stream);
});

it('has the memory of the f32 free meanwhile', () => {
  const deep = (activations: 'f32' | 'bf16'): number => {
    const built = begin(activations);
    let y = built.x;
    for (let k = 0; k < 40; k++) y = gelu(matmul(y, built.ws[k % LAYERS]!));
    return compile(end(built, y), target()).arenaBytes;
  };
  // Without: what comes before an activation, or its slope, and what comes after it. With: half of the first.
  expect(deep('bf16') / deep('f32')).toBeLessThan(0.4);
});

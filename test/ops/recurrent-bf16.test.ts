// recurrent-bf16.test.ts: recurrent products in bf16 to the bit. All of a step but its product is as in f32: so the same op in f32, with no
// recurrent weight but with these products added to what comes from outside, must give the same.
import { describe, expect, it } from 'vitest';
import { type Data, f32, type TensorType } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { GRU, GRU_GRAD } from '../../lib/ops/recurrent/gru.ts';
import { LSTM, LSTM_GRAD } from '../../lib/ops/recurrent/lstm.ts';
import { RNN, RNN_GRAD } from '../../lib/ops/recurrent/rnn.ts';
import { TEAMS } from '../kit.ts';
import { sumOfPairs } from '../pairs.ts';
import { type NodeRun, runNode, sameNumbers } from '../run-node.ts';
import { nodeOf } from '../shapes/set-up.ts';

const isas = addon().isas.filter((isa) => isa !== 'x86_64');
const LANES = 16;

interface Kind {
  readonly op: Parameters<typeof nodeOf>[0];
  readonly grad: Parameters<typeof nodeOf>[0];
  readonly gates: number;
  readonly attrs: object;
}
const KINDS: Readonly<Record<'tanh' | 'relu' | 'lstm' | 'gru', Kind>> = {
  tanh: { op: RNN, grad: RNN_GRAD, gates: 1, attrs: { nonlinearity: 'tanh' } },
  relu: { op: RNN, grad: RNN_GRAD, gates: 1, attrs: { nonlinearity: 'relu' } },
  lstm: { op: LSTM, grad: LSTM_GRAD, gates: 4, attrs: {} },
  gru: { op: GRU, grad: GRU_GRAD, gates: 3, attrs: {} },
};

interface Sizes {
  readonly batch: number;
  readonly steps: number;
  readonly hidden: number;
  readonly reverse: boolean;
  readonly lengths: readonly number[] | null;
}
type Given = Record<'x' | 'h0' | 'c0' | 'whh' | 'bias' | 'dhs' | 'dlast' | 'dcell', Float32Array>;
const waves = (n: number, k: number, scale = 1): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => scale * Math.sin(k * i + i * i));
function givenOf({ gates }: Kind, { batch, steps, hidden }: Sizes, scale = 1): Given {
  const [row, weight] = [batch * hidden, 1.5 / Math.sqrt(hidden)];
  return {
    x: waves(row * steps * gates, 1),
    h0: waves(row, 2, scale),
    c0: waves(row, 3),
    whh: waves(gates * hidden * hidden, 4, scale * weight),
    bias: waves(gates * hidden, 5, scale * scale),
    dhs: waves(row * steps, 6, scale),
    dlast: waves(row, 7, scale),
    dcell: waves(row, 8, scale),
  };
}

/** So small that products are around 2^-126: some are denormals, which count as 0 in a product and nowhere else. */
const TINY = 2e-19;

/** A recurrence of a kind: its forward and its backward pass, on what is given. */
class Recurrence {
  readonly kind: Kind;
  readonly sizes: Sizes;
  readonly states: TensorType;
  readonly row: TensorType;
  readonly gated: TensorType;
  constructor(kind: Kind, sizes: Sizes) {
    const { batch, steps, hidden } = sizes;
    [this.kind, this.sizes] = [kind, sizes];
    [this.states, this.row, this.gated] = [f32(batch, steps, hidden), f32(batch, hidden), f32(batch, steps, kind.gates * hidden)];
  }
  forward(bf16: boolean, { x, h0, c0, whh, bias }: Given, run: NodeRun = {}): Data[] {
    const ins: [TensorType, Data][] = [
      [this.gated, x],
      [this.row, h0],
    ];
    if (this.kind.gates === 4) ins.push([this.row, c0]);
    ins.push([this.#weight, whh]);
    if (this.kind.gates === 3) ins.push([f32(bias.length), bias]);
    return this.#run(this.kind.op, ins, { bf16 }, run);
  }
  /** Of outputs `outs` of the forward pass. */
  back(bf16: boolean, outs: readonly Data[], { h0, c0, whh, dhs, dlast, dcell }: Given, run: NodeRun = {}): Data[] {
    const ins: [TensorType, Data][] = [
      [this.states, outs[0]!],
      [this.row, h0],
    ];
    if (this.kind.gates === 4) ins.push([this.row, c0]);
    ins.push([this.#weight, whh]);
    if (this.kind.gates > 1) ins.push([this.gated, outs.at(-2)!], [this.states, outs.at(-1)!]);
    ins.push([this.states, dhs], [this.row, dlast]);
    if (this.kind.gates === 4) ins.push([this.row, dcell]);
    return this.#run(this.kind.grad, ins, { bf16, states: true, last: true, cell: true }, run);
  }
  /** The steps of row b in their order. */
  times(b: number): number[] {
    const { steps, reverse, lengths } = this.sizes;
    const times = Array.from({ length: lengths?.[b] ?? steps }, (_, t) => t);
    return reverse ? times.reverse() : times;
  }
  get #weight(): TensorType {
    return f32(this.kind.gates * this.sizes.hidden, this.sizes.hidden);
  }
  #run(op: Kind['op'], ins: readonly [TensorType, Data][], own: object, run: NodeRun): Data[] {
    const { reverse, lengths, batch } = this.sizes;
    const all = [...ins];
    if (lengths) all.push([{ dtype: 'i32', shape: [batch] }, Int32Array.from(lengths)]);
    const attrs = { ...this.kind.attrs, ...own, reverse, lengths: lengths !== null };
    return runNode(
      nodeOf(op, { ins: all.map(([type]) => type), attrs }),
      all.map(([, data]) => data),
      run,
    );
  }
}

/** whh times a state: H filled up to whole groups. */
function timesState(whh: Float32Array, state: ArrayLike<number>): number[] {
  const h = state.length;
  return Array.from({ length: whh.length / h }, (_, j) => sumOfPairs(whh.subarray(j * h, (j + 1) * h), state));
}
/** The gates' gradients times whh: a group of units after another, of each all gates. */
function timesGates(whh: Float32Array, d: ArrayLike<number>, gates: number): number[] {
  const h = d.length / gates;
  const rows = Array.from({ length: Math.ceil(h / LANES) * gates * LANES }, (_, k) => {
    const unit = Math.floor(k / (gates * LANES)) * LANES + (k % LANES);
    return unit < h ? (Math.floor(k / LANES) % gates) * h + unit : -1;
  });
  const terms = rows.map((row) => (row < 0 ? 0 : d[row]!));
  return Array.from({ length: h }, (_, j) =>
    sumOfPairs(
      terms,
      rows.map((row) => (row < 0 ? 0 : whh[row * h + j]!)),
    ),
  );
}

const same = (got: readonly Data[], want: readonly Data[], what: string): void => {
  got.forEach((x, i) => {
    expect(sameNumbers(x, want[i]!), `${what}, output ${i}`).toBe(true);
  });
};
const SIZES: readonly Sizes[] = [
  { batch: 1, steps: 1, hidden: 1, reverse: false, lengths: null },
  { batch: 3, steps: 4, hidden: 7, reverse: true, lengths: null },
  { batch: 4, steps: 3, hidden: 33, reverse: false, lengths: [3, 0, 2, 1] },
  { batch: 2, steps: 3, hidden: 48, reverse: false, lengths: null },
  { batch: 3, steps: 3, hidden: 16, reverse: true, lengths: [1, 3, 2] },
];

const CASES = SIZES.flatMap((sizes) => [[sizes, 1] as const, [sizes, TINY] as const]);

describe.each(isas)('%s', (isa) => {
  describe.each(['tanh', 'relu', 'lstm'] as const)('%s', (name) => {
    it.each(CASES)('forward and backward are f32 around exact products: %o of %d', (sizes, scale) => {
      const made = new Recurrence(KINDS[name], sizes);
      const { batch, steps, hidden } = sizes;
      const given = givenOf(made.kind, sizes, scale);
      const width = made.kind.gates * hidden;
      const outs = made.forward(true, given, { isa });
      const x = given.x.slice();
      for (let b = 0; b < batch; b++) {
        let state = given.h0.subarray(b * hidden, (b + 1) * hidden);
        for (const t of made.times(b)) {
          timesState(given.whh, state).forEach((v, j) => {
            x[(b * steps + t) * width + j]! += v;
          });
          state = (outs[0] as Float32Array).subarray((b * steps + t) * hidden, (b * steps + t + 1) * hidden);
        }
      }
      const none = { ...given, whh: new Float32Array(given.whh.length) };
      const [first, ...others] = made.forward(false, { ...none, x }, { isa });
      same(outs, [first!, ...others], 'forward');

      const back = made.back(true, outs, given, { isa });
      const [dhs, dh0] = [given.dhs.slice(), new Float32Array(batch * hidden)];
      for (let b = 0; b < batch; b++) {
        const times = made.times(b);
        // A row without steps; and where there may be such, something is always added, if only 0.
        if (times.length === 0) dh0.set(given.dlast.subarray(b * hidden, (b + 1) * hidden), b * hidden);
        times.forEach((t, s) => {
          const at = b * steps + t;
          const product = timesGates(
            given.whh,
            (back[0] as Float32Array).subarray(at * width, (at + 1) * width),
            made.kind.gates,
          );
          product.forEach((v, j) => {
            if (s === 0) dh0[b * hidden + j] = sizes.lengths ? v + 0 : v;
            else dhs[(b * steps + times[s - 1]!) * hidden + j]! += v;
          });
        });
      }
      const [dz, , ...more] = made.back(false, outs, { ...none, dhs }, { isa });
      same(back, [dz!, dh0, ...more], 'backward');
    });
  });

  it.each(CASES)('gru: products of all gates, and the gradient of one step: %o of %d', (sizes, scale) => {
    const made = new Recurrence(KINDS.gru, sizes);
    const { batch, steps, hidden } = sizes;
    const given = givenOf(made.kind, sizes, scale);
    const outs = made.forward(true, given, { isa }) as Float32Array[];
    const [hs, , gates, inner] = outs as [Float32Array, Float32Array, Float32Array, Float32Array];
    const x = given.x.slice();
    const wanted = new Float32Array(inner.length);
    for (let b = 0; b < batch; b++) {
      let state = given.h0.subarray(b * hidden, (b + 1) * hidden);
      for (const t of made.times(b)) {
        const at = (b * steps + t) * hidden;
        timesState(given.whh, state).forEach((v, j) => {
          const sum = Math.fround(v + given.bias[j]!);
          if (j < 2 * hidden) x[3 * at + j]! += sum;
          else wanted[at + j - 2 * hidden] = sum;
        });
        state = hs.subarray(at, at + hidden);
      }
    }
    expect(sameNumbers(inner, wanted), 'inner').toBe(true);
    const none = { ...given, whh: new Float32Array(given.whh.length), bias: new Float32Array(given.bias.length) };
    const f32Gates = made.forward(false, { ...none, x }, { isa })[2] as Float32Array;
    const isUpdate = (i: number): boolean => i % (3 * hidden) < 2 * hidden;
    expect(
      sameNumbers(
        gates.filter((_, i) => isUpdate(i)),
        f32Gates.filter((_, i) => isUpdate(i)),
      ),
      'gates r and z',
    ).toBe(true);

    const one = new Recurrence(KINDS.gru, { ...sizes, steps: 1, lengths: null });
    const first = one.forward(true, given, { isa }) as Float32Array[];
    const [, dhh, dh0] = one.back(true, first, given, { isa }) as Float32Array[];
    for (let b = 0; b < batch; b++) {
      timesGates(given.whh, dhh!.subarray(3 * b * hidden, 3 * (b + 1) * hidden), 3).forEach((product, j) => {
        const i = b * hidden + j;
        const straight = Math.fround(Math.fround(given.dlast[i]! + given.dhs[i]!) * first[2]![(3 * b + 1) * hidden + j]!);
        expect(dh0![i]).toBe(Math.fround(product + straight));
      });
    }
  });
});

// At hidden 128 and few rows threads share columns; at 70 rows they take them in turns.
describe.each(Object.entries(KINDS))('%s', (_, kind) => {
  it.each([
    { batch: 4, steps: 3, hidden: 128, reverse: false, lengths: null },
    { batch: 2, steps: 3, hidden: 100, reverse: true, lengths: [3, 2] },
    { batch: 70, steps: 2, hidden: 40, reverse: true, lengths: null },
    { batch: 31, steps: 0, hidden: 5, reverse: false, lengths: null },
  ])('bits for any team and ISA: %o', (sizes) => {
    const made = new Recurrence(kind, sizes);
    const given = givenOf(kind, sizes);
    const want = made.forward(true, given);
    const back = made.back(true, want, given);
    for (const isa of isas) {
      for (const threads of [1, ...TEAMS]) {
        same(made.forward(true, given, { isa, threads }), want, `${isa} x${threads}`);
        same(made.back(true, want, given, { isa, threads }), back, `${isa} x${threads}, backward`);
      }
    }
  });
});

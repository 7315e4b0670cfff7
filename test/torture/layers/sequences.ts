// sequences.ts: tables of vectors, positions, recurrent layers, attention and transformers.
import type { Tensor } from '../../../lib/ir/graph.ts';
import * as nn from '../../../lib/nn/index.ts';
import { add, reshape, slice, transpose } from '../../../lib/ops/index.ts';
import { given, type Random } from '../random.ts';
import type { Options, Row } from '../spec.ts';
import { type DrawContext, type Extras, kind, type LayerKind, room } from './kind.ts';

/** A layer with what else its forward takes. */
class Given<M extends nn.Module> extends nn.Module {
  readonly layer: M;
  readonly #run: (layer: M, x: Tensor) => Tensor;
  constructor(layer: M, run: (layer: M, x: Tensor) => Tensor) {
    super();
    this.layer = layer;
    this.#run = run;
  }
  forward(x: Tensor): Tensor {
    return this.#run(this.layer, x);
  }
}

interface TableOptions extends Options {
  readonly dim: number;
  readonly paddingIdx?: number;
  readonly sparse?: boolean;
}
/** A table has a row for each index, and some that nobody looks up. */
const count = (below: number): number => below + 3;

function table(r: Random, row: Row, c: DrawContext): TableOptions {
  const paddingIdx = r.maybe(0.3, () => r.between(0, c.below - 1));
  return {
    dim: r.size(Math.min(64, room([...row, 1], row.length))),
    ...given({ paddingIdx, sparse: c.sparse ? true : undefined }),
  };
}

interface RecurrentOptions extends Options {
  readonly hidden: number;
  readonly give: 'output' | 'last';
  /** Beside x: the state to begin with, and how many steps count. */
  readonly initial?: boolean;
  readonly lengths?: boolean;
  readonly carry?: boolean;
  readonly numLayers?: number;
  readonly bidirectional?: boolean;
}

type AnyRecurrent = nn.RNN | nn.LSTM | nn.GRU;

function recurrent(
  more: (r: Random) => Options,
  make: (ins: number, hidden: number, options: object) => AnyRecurrent,
): LayerKind {
  return kind<RecurrentOptions>({
    ranks: [2],
    keepsTime: true,
    draw(r, row, c) {
      const carry = c.carries && r.chance(0.7);
      const bidirectional = carry ? undefined : r.maybe(0.3, () => true);
      const hidden = r.size(Math.min(48, Math.max(1, Math.floor(room(row, 1) / 2))));
      return {
        options: {
          hidden,
          give: c.keepsTime || r.chance(0.6) ? 'output' : 'last',
          ...given({
            bidirectional,
            carry: carry ? true : undefined,
            initial: carry || c.keepsTime ? undefined : r.maybe(0.2, () => true),
            lengths: carry || c.keepsTime ? undefined : r.maybe(0.3, () => true),
            numLayers: r.maybe(0.3, () => 2),
            dropout: r.maybe(0.2, () => 0.4),
            bias: r.maybe(0.2, () => false),
          }),
          ...more(r),
        },
      };
    },
    make({ hidden, give, initial, lengths, carry, ...options }, row, { batchSize, extras }) {
      const layer = make(row[1]!, hidden, { ...options, ...(carry && { carry: batchSize }) });
      const states = (options.numLayers ?? 1) * (options.bidirectional ? 2 : 1);
      const h = initial ? extras.want('h', { dtype: 'f32', row: [states, hidden], least: -1, most: 1 }) : null;
      const l = lengths ? extras.want('lengths', { dtype: 'i32', row: [], least: 0, most: row[0]! }) : null;
      return new Given(layer, (m, x) => {
        const first = h && transpose(h(), { axes: [1, 0, 2] });
        const inputs = {
          ...(first && { h: first }),
          ...(first && m instanceof nn.LSTM && { c: first }),
          ...(l && { lengths: l() }),
        };
        return (m as nn.GRU).forward(x, inputs)[give];
      });
    },
  });
}

/** One step, or two of the same x. */
function cell<M extends nn.Module>(
  more: (r: Random) => Options,
  make: (ins: number, hidden: number, options: object) => M,
  step: (layer: M, x: Tensor, h: Tensor | null) => Tensor,
): LayerKind {
  return kind<{ hidden: number; twice?: boolean; bias?: boolean }>({
    ranks: [1],
    draw: (r, row) => ({
      options: {
        hidden: r.size(Math.min(48, room(row, 0))),
        ...given({ twice: r.maybe(0.5, () => true), bias: r.maybe(0.2, () => false) }),
        ...more(r),
      },
    }),
    make({ hidden, twice, ...options }, row) {
      return new Given(make(row[0]!, hidden, options), (m, x) => {
        const h = step(m, x, null);
        return twice ? step(m, x, h) : h;
      });
    },
  });
}

interface MaskOptions extends Options {
  readonly causal?: boolean;
  readonly mask?: 'u8' | 'f32';
  readonly keyPadding?: boolean;
}
function masks(r: Random): MaskOptions {
  return given({
    causal: r.maybe(0.3, () => true),
    mask: r.maybe(0.2, () => r.pick(['u8', 'f32'] as const)),
    keyPadding: r.maybe(0.2, () => true),
  });
}
/** Query t sees key s, but for every third of those before it. */
const hidden = (t: number, s: number): boolean => s > 0 && (2 * t + s) % 3 === 0;

function masksFor(o: MaskOptions, time: number, extras: Extras): (x: Tensor) => nn.AttentionMasks {
  const padding = o.keyPadding ? extras.want('padding', { dtype: 'u8', row: [time], least: 0, most: 1 }) : null;
  return ({ graph }) => {
    const at = (k: number): boolean => hidden(Math.floor(k / time), k % time);
    const cells = { length: time * time };
    const made =
      o.mask === 'u8'
        ? graph.constant(
            Uint8Array.from(cells, (_, k) => (at(k) ? 1 : 0)),
            [time, time],
            'u8',
          )
        : graph.constant(
            Float32Array.from(cells, (_, k) => (at(k) ? -1.5 : 0)),
            [time, time],
            'f32',
          );
    return given({ causal: o.causal, mask: o.mask && made, keyPaddingMask: padding?.() });
  };
}

interface TransformerOptions extends MaskOptions {
  readonly heads: number;
  readonly layer: nn.TransformerLayerOptions;
  readonly count?: number;
  readonly norm?: boolean;
}
function transformer(r: Random, row: Row, stacked: boolean): TransformerOptions {
  return {
    heads: r.divisor(row[1]!),
    layer: given({
      dimFeedforward: r.size(80),
      dropout: r.pick([0, 0, 0.1, 0.5]),
      activation: r.maybe(0.4, () => 'gelu' as const),
      normFirst: r.maybe(0.4, () => true),
      bias: r.maybe(0.2, () => false),
    }),
    ...masks(r),
    ...(stacked && { count: r.between(1, 2), ...given({ norm: r.maybe(0.5, () => true) }) }),
  };
}
const normOf = (o: TransformerOptions, width: number): nn.StackOptions => (o.norm ? { norm: new nn.LayerNorm(width) } : {});
/** What a decoder attends to beside itself: the first steps of the same. */
const memory = (x: Tensor): Tensor => slice(x, { axis: 1, start: 0, end: Math.ceil(x.shape[1]! / 2) });

/** Narrow enough that attention costs little. */
const fits = (row: Row): boolean => row[0]! <= 24 && row[1]! <= 96;

export const SEQUENCES: Readonly<Record<string, LayerKind>> = {
  Embedding: kind<TableOptions & { below: number }>({
    ranks: [1],
    indices: true,
    draw: (r, row, c) => ({ options: { ...table(r, row, c), below: c.below } }),
    make: ({ dim, below, ...options }) => new nn.Embedding(count(below), dim, options),
  }),
  EmbeddingBag: kind<TableOptions & { below: number; mode: 'sum' | 'mean' | 'max'; offsets?: boolean; weighed?: boolean }>({
    ranks: [1],
    indices: true,
    draw(r, row, c) {
      const mode = r.pick(['sum', 'mean', 'max'] as const);
      const more = given({ offsets: r.maybe(0.3, () => true), weighed: mode === 'sum' ? r.maybe(0.5, () => true) : undefined });
      return { options: { ...table(r, row, c), below: c.below, mode, ...more } };
    },
    make({ dim, below, offsets, weighed, ...options }, row, { extras }) {
      const weights = weighed ? extras.want('weights', { dtype: 'f32', row, least: -1, most: 1 }) : null;
      return new Given(new nn.EmbeddingBag(count(below), dim, options), (m, x) => {
        const [bags, length] = x.shape as [number, number];
        const flat = (t: Tensor): Tensor => reshape(t, [bags * length]);
        if (!offsets) return m.forward(x, weights ? { perSampleWeights: weights() } : {});
        // The first bag takes an index of the second one.
        const starts = Int32Array.from({ length: bags }, (_, i) => i * length + (i === 1 ? 1 : 0));
        const at = { offsets: x.graph.constant(starts, [bags], 'i32') };
        return m.forward(flat(x), weights ? { ...at, perSampleWeights: flat(weights()) } : at);
      });
    },
  }),
  LearnedPositions: kind<{ beyond: number; std?: number }>({
    ranks: [2],
    keepsTime: true,
    draw: (r) => ({ options: { beyond: r.between(0, 3), ...given({ std: r.maybe(0.3, () => 0.5) }) } }),
    make: ({ beyond, ...options }, row) => new nn.LearnedPositions(row[0]! + beyond, row[1]!, options),
  }),
  SinusoidalPositions: kind({
    ranks: [2],
    keepsTime: true,
    draw: (_, row) => (row[1]! % 2 === 0 ? { options: {} } : null),
    make: (_, row) => new nn.SinusoidalPositions(row[1]!),
  }),
  RNN: recurrent(
    (r) => given({ nonlinearity: r.maybe(0.4, () => 'relu') }),
    (ins, hidden, options) => new nn.RNN(ins, hidden, options),
  ),
  LSTM: recurrent(
    () => ({}),
    (ins, hidden, options) => new nn.LSTM(ins, hidden, options),
  ),
  GRU: recurrent(
    () => ({}),
    (ins, hidden, options) => new nn.GRU(ins, hidden, options),
  ),
  RNNCell: cell(
    (r) => given({ nonlinearity: r.maybe(0.4, () => 'relu') }),
    (ins, hidden, options) => new nn.RNNCell(ins, hidden, options),
    (m, x, h) => m.forward(x, h),
  ),
  LSTMCell: cell(
    () => ({}),
    (ins, hidden, options) => new nn.LSTMCell(ins, hidden, options),
    (m, x, h) => {
      const { h: next, c } = m.forward(x, h ? { h, c: h } : {});
      return add(next, c);
    },
  ),
  GRUCell: cell(
    () => ({}),
    (ins, hidden, options) => new nn.GRUCell(ins, hidden, options),
    (m, x, h) => m.forward(x, h),
  ),
  MultiheadAttention: kind<MaskOptions & { heads: number; kdim?: number; vdim?: number; dropout?: number; bias?: boolean }>({
    ranks: [2],
    keepsTime: true,
    draw(r, row) {
      if (!fits(row)) return null;
      const other = (): number => r.between(1, row[1]!);
      return {
        options: {
          heads: r.divisor(row[1]!),
          ...masks(r),
          ...given({
            kdim: r.maybe(0.2, other),
            vdim: r.maybe(0.2, other),
            dropout: r.maybe(0.3, () => 0.3),
            bias: r.maybe(0.2, () => false),
          }),
        },
      };
    },
    make({ heads, causal, mask, keyPadding, ...options }, row, { extras }) {
      const maskOf = masksFor(given({ causal, mask, keyPadding }), row[0]!, extras);
      const { kdim, vdim } = options;
      return new Given(new nn.MultiheadAttention(row[1]!, heads, options), (m, x) => {
        const part = (dim: number | undefined): Tensor => (dim === undefined ? x : slice(x, { axis: 2, start: 0, end: dim }));
        return m.forward(x, part(kdim), part(vdim), maskOf(x));
      });
    },
  }),
  TransformerEncoderLayer: kind<TransformerOptions>({
    ranks: [2],
    keepsTime: true,
    draw: (r, row) => (fits(row) ? { options: transformer(r, row, false) } : null),
    make(o, row, { extras }) {
      const maskOf = masksFor(o, row[0]!, extras);
      return new Given(new nn.TransformerEncoderLayer(row[1]!, o.heads, o.layer), (m, x) => m.forward(x, maskOf(x)));
    },
  }),
  TransformerEncoder: kind<TransformerOptions>({
    ranks: [2],
    keepsTime: true,
    draw: (r, row) => (fits(row) ? { options: transformer(r, row, true) } : null),
    make(o, row, { extras }) {
      const maskOf = masksFor(o, row[0]!, extras);
      const layer = (): nn.TransformerEncoderLayer => new nn.TransformerEncoderLayer(row[1]!, o.heads, o.layer);
      return new Given(new nn.TransformerEncoder(layer, o.count!, normOf(o, row[1]!)), (m, x) => m.forward(x, maskOf(x)));
    },
  }),
  TransformerDecoderLayer: kind<TransformerOptions>({
    ranks: [2],
    keepsTime: true,
    draw: (r, row) => (fits(row) ? { options: transformer(r, row, false) } : null),
    make(o, row, { extras }) {
      const maskOf = masksFor(o, row[0]!, extras);
      const layer = new nn.TransformerDecoderLayer(row[1]!, o.heads, o.layer);
      return new Given(layer, (m, x) => m.forward(x, memory(x), maskOf(x)));
    },
  }),
  TransformerDecoder: kind<TransformerOptions>({
    ranks: [2],
    keepsTime: true,
    draw: (r, row) => (fits(row) ? { options: transformer(r, row, true) } : null),
    make(o, row, { extras }) {
      const maskOf = masksFor(o, row[0]!, extras);
      const layer = (): nn.TransformerDecoderLayer => new nn.TransformerDecoderLayer(row[1]!, o.heads, o.layer);
      return new Given(new nn.TransformerDecoder(layer, o.count!, normOf(o, row[1]!)), (m, x) =>
        m.forward(x, memory(x), maskOf(x)),
      );
    },
  }),
  Transformer: kind<TransformerOptions>({
    ranks: [2],
    keepsTime: true,
    draw: (r, row) => (fits(row) ? { options: transformer(r, row, true) } : null),
    make(o, row, { extras }) {
      const maskOf = masksFor(o, row[0]!, extras);
      const layers = { numEncoderLayers: o.count!, numDecoderLayers: 1 };
      return new Given(new nn.Transformer(row[1]!, o.heads, { ...o.layer, ...layers }), (m, x) => {
        const { causal, mask, keyPaddingMask } = maskOf(x);
        return m.forward(memory(x), x, given({ tgtCausal: causal, tgtMask: mask, tgtKeyPaddingMask: keyPaddingMask }));
      });
    },
  }),
};

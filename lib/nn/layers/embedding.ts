// embedding.ts: tables of vectors, looked up by index, one by one or in bags.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { checkPadding, paddingIdx as paddingField, tensor } from '../../ops/args.ts';
import type { BagMode } from '../../ops/rows/bag-attrs.ts';
import { bagMode, embeddingBag } from '../../ops/rows/embedding-bag.ts';
import { embedding } from '../../ops/rows/gather.ts';
import { bool, options, signature } from '../../options/index.ts';
import { size } from '../fields.ts';
import { type Initializer, normal } from '../module/init.ts';
import { Module, Parameter } from '../module/module.ts';

/** Options of `nn.Embedding`. */
export interface EmbeddingOptions {
  /** A row that stands for nothing: it starts as zeros and is never trained. Default: none. */
  readonly paddingIdx?: number;
  /**
   * Update only the rows that a step looked up: the cost of a step does not grow with the table. A row that was not looked up stays as it is, and
   * so do its slots (no decay of momenta, no weight decay); one that was is updated as ever, with the step's own bias correction. As PyTorch's
   * `sparse=True` with `SparseAdam`, for every optimizer that updates each element independently. Default false: all rows are updated, those without
   * a gradient with one of 0.
   */
  readonly sparse?: boolean;
}

const TABLE = { count: size, dim: size };
const OPTIONS = { paddingIdx: paddingField.optional(), sparse: bool.default(false) };
const readEmbedding = signature('nn.Embedding', TABLE, options<EmbeddingOptions>()(OPTIONS));
const readEmbeddingForward = signature('nn.Embedding.forward', { indices: tensor });

/**
 * Vectors by index: `weight` [count, dim], normal with standard deviation 1 at first. An index that is none ends the
 * run with an IndexError.
 * @shape indices [...] -> [..., dim]
 * @throws OptionError
 * @see torch.nn.Embedding
 */
export class Embedding extends Module {
  /** The vectors [count, dim]. */
  weight: Parameter;
  readonly #padding: number | undefined;

  /** @throws OptionError */
  constructor(count: number, dim: number, options: EmbeddingOptions = {}) {
    super();
    [this.weight, this.#padding] = table('nn.Embedding', readEmbedding(arguments));
  }

  forward(indices: TensorLike): Tensor {
    const { indices: at } = readEmbeddingForward(arguments);
    return embedding(at, this.weight, this.#padding === undefined ? {} : { paddingIdx: this.#padding });
  }
}

/** Options of `nn.EmbeddingBag`. */
export interface EmbeddingBagLayerOptions extends EmbeddingOptions {
  /** What is made of the vectors of a bag. Default `mean`. */
  readonly mode?: BagMode;
}

/** What `nn.EmbeddingBag` takes beside indices. */
export interface BagInputs {
  /** Where each bag begins among indices [n]: i32 [bags], ascending from 0. Without, indices are [bags, length]. */
  readonly offsets?: TensorLike;
  /** With mode `sum`: what each vector is multiplied by, f32 of the shape of the indices. */
  readonly perSampleWeights?: TensorLike;
}

const readEmbeddingBag = signature('nn.EmbeddingBag', TABLE, options<EmbeddingBagLayerOptions>()({ ...OPTIONS, mode: bagMode }));
const readEmbeddingBagForward = signature(
  'nn.EmbeddingBag.forward',
  { indices: tensor },
  options<BagInputs>()({ offsets: tensor.optional(), perSampleWeights: tensor.optional() }),
);

/**
 * Sums, means or maxima of bags of vectors: `weight` [count, dim]. A position with `paddingIdx` does not count, not
 * in the length of a mean either; a bag of none is 0.
 * @shape indices [bags, length], or { indices [n], offsets [bags] } -> [bags, dim]
 * @throws OptionError; ShapeError for indices or offsets of other shapes
 * @see torch.nn.EmbeddingBag
 */
export class EmbeddingBag extends Module {
  /** The vectors [count, dim]. */
  weight: Parameter;
  /** What is made of the vectors of a bag. */
  readonly mode: BagMode;
  readonly #padding: number | undefined;

  /** @throws OptionError */
  constructor(count: number, dim: number, options: EmbeddingBagLayerOptions = {}) {
    super();
    const read = readEmbeddingBag(arguments);
    this.mode = read.mode;
    [this.weight, this.#padding] = table('nn.EmbeddingBag', read);
  }

  forward(indices: TensorLike, inputs: BagInputs = {}): Tensor {
    const { indices: at } = readEmbeddingBagForward(arguments);
    const paddingIdx = this.#padding;
    return embeddingBag(at, this.weight, { mode: this.mode, ...inputs, ...(paddingIdx !== undefined && { paddingIdx }) });
  }
}

function table(where: string, read: ReturnType<typeof readEmbedding>): [Parameter, number | undefined] {
  const { count, dim, paddingIdx, sparse } = read;
  if (paddingIdx !== undefined) checkPadding(where, paddingIdx, count);
  const padded: Initializer = (out, shape, draws) => {
    normal()(out, shape, draws);
    if (paddingIdx !== undefined) out.fill(0, paddingIdx * dim, (paddingIdx + 1) * dim);
  };
  return [new Parameter([count, dim], padded, { sparse }), paddingIdx];
}

// decode.test.ts: what a model predicts from the keys and values that were kept has the bits of what it predicts from the whole sequence.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphError, OptionError, ShapeError } from '../../../lib/errors.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import type { Precision } from '../../../lib/ir/op.ts';
import { GPT } from '../../../lib/models/index.ts';
import {
  Embedding,
  type KeyValueCache,
  LayerNorm,
  LearnedPositions,
  Linear,
  Module,
  SinusoidalPositions,
  TransformerEncoder,
  TransformerEncoderLayer,
} from '../../../lib/nn/index.ts';
import { add, headsAttention, rotary } from '../../../lib/ops/index.ts';
import { generate } from '../../../lib/train/generate/generate.ts';
import { type NextTokens, predicting } from '../../../lib/train/generate/next.ts';
import { Weights } from '../../../lib/train/programs/weights.ts';
import { sameBits } from '../../run-node.ts';
import { Plain, parametersOf, predictor, VOCABULARY, writerOf } from './models.ts';

/** As Llama: no vectors of places, but queries and keys that are turned; fewer heads of keys and values than of queries. */
class Rotary extends Module {
  readonly context = 20;
  embedding = new Embedding(VOCABULARY, 16);
  norm = new LayerNorm(16);
  q = new Linear(16, 16);
  k = new Linear(16, 8);
  v = new Linear(16, 8);
  head = new Linear(16, VOCABULARY);
  #attended(x: Tensor, cache: KeyValueCache | null): Tensor {
    const y = this.norm.forward(x);
    const q = rotary(this.q.forward(y), { heads: 4, places: cache });
    const k = rotary(this.k.forward(y), { heads: 2, places: cache });
    const v = this.v.forward(y);
    const options = { heads: 4, kvHeads: 2 };
    return add(x, cache ? cache.attention(q, k, v, options) : headsAttention(q, k, v, { ...options, causal: true }));
  }
  #layers(tokens: Tensor, cache: KeyValueCache | null): Tensor {
    return this.#attended(this.#attended(this.embedding.forward(tokens), cache), cache);
  }
  forward(tokens: Tensor): Tensor {
    return this.head.forward(this.#layers(tokens, null));
  }
  decode(tokens: Tensor, cache: KeyValueCache): Tensor {
    return this.head.forward(cache.last(this.#layers(tokens, cache)));
  }
}

/** Made of the layers that the library has. */
class Encoder extends Module {
  readonly context = 24;
  embedding = new Embedding(VOCABULARY, 12);
  places: LearnedPositions | SinusoidalPositions;
  encoder = new TransformerEncoder(
    () => new TransformerEncoderLayer(12, 3, { dimFeedforward: 20, activation: 'gelu', normFirst: true }),
    2,
    { norm: new LayerNorm(12) },
  );
  head = new Linear(12, VOCABULARY);
  constructor(learned: boolean) {
    super();
    this.places = learned ? new LearnedPositions(24, 12, { std: 1 }) : new SinusoidalPositions(12);
  }
  #encoded(tokens: Tensor, cache: KeyValueCache | null): Tensor {
    return this.encoder.forward(this.places.forward(this.embedding.forward(tokens), { places: cache }), { causal: true, cache });
  }
  forward(tokens: Tensor): Tensor {
    return this.head.forward(this.#encoded(tokens, null));
  }
  decode(tokens: Tensor, cache: KeyValueCache): Tensor {
    return this.head.forward(cache.last(this.#encoded(tokens, cache)));
  }
}

const MODELS = {
  GPT: () => new GPT(VOCABULARY, { context: 70, layers: 2, heads: 2, width: 16 }),
  'GPT, as GPT-2': () => new GPT(VOCABULARY, { context: 9, layers: 1, width: 8, hidden: 12, activation: 'geluTanh', eps: 1e-4 }),
  'rotary, grouped queries': () => new Rotary(),
  'encoder, learned places': () => new Encoder(true),
  'encoder, waves': () => new Encoder(false),
};

describe.each(Object.entries(MODELS))('%s', (_, make) => {
  const model = make().initialize(1) as Module & { readonly context: number; forward(x: Tensor): Tensor };
  const whole = predictor(model);
  const nextTokens = (batch: number, precision: Precision = 'f32'): NextTokens => {
    const weights = new Weights(model, precision);
    const next = predicting(model)(weights, batch);
    weights.write(parametersOf(model));
    return next;
  };

  it.each(['f32', 'bf16'] as const)('logits in %s have the bits of the whole sequence, at every place', async (precision) => {
    const whole = predictor(model, precision);
    const next = nextTokens(1, precision);
    const { context } = model;
    const tokens = Array.from({ length: context + 3 }, (_, i) => (i * i + 3 * i) % VOCABULARY);
    for (const first of [1, 3, context - 1, context + 2]) {
      next.reset();
      for (let n = first; n <= tokens.length; n++) {
        const logits = await next.after([n === first ? tokens.slice(0, first) : [tokens[n - 1]!]]);
        if (n > first + 6 && n % 7 !== 0 && n < context - 2) continue;
        expect(sameBits([logits], [whole(tokens.slice(0, n).slice(-context))]), `${n} tokens after ${first}`).toBe(true);
      }
    }
    next.dispose();
  });

  it('rows of a batch, of any lengths, have the bits that each has alone', async () => {
    const next = nextTokens(3);
    const rows = [5, model.context - 2, 1].map((n, r) => Array.from({ length: n }, (_, i) => (r + i * (r + 2)) % VOCABULARY));
    const out = [0, 1, 2].map((): number[] => []);
    for (let k = 0; k < 6; k++) {
      const given = k === 0 ? rows : rows.map((row, r) => (r === 1 && k > 3 ? [] : [row.at(-1)!]));
      const logits = await next.after(given);
      rows.forEach((row, r) => {
        if (given[r]!.length === 0) return;
        const own = logits.subarray(r * VOCABULARY, (r + 1) * VOCABULARY);
        expect(sameBits([own], [whole(row.slice(-model.context))]), `row ${r}, ${row.length} tokens`).toBe(true);
        out[r]!.push(row.length);
        row.push(own.indexOf(Math.max(...own)));
      });
    }
    expect(out.map((o) => o.length)).toEqual([6, 4, 6]);
    next.dispose();
  });

  it('writes the tokens that it writes without what was kept, greedily and drawn', async () => {
    const plain = writerOf(new Plain(model));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(VOCABULARY - 1), { minLength: 1, maxLength: model.context + 5 }),
        fc.record({
          temperature: fc.constantFrom(0, 0.7, 2),
          seed: fc.nat(1e6),
          topK: fc.constantFrom(undefined, 4),
          topP: fc.constantFrom(1, 0.8),
        }),
        async (prompt, { topK, ...how }) => {
          const options = { prompt, length: 12, ...how, ...(topK && { topK }) };
          expect(await generate(writerOf(model), options)).toEqual(await generate(plain, options));
        },
      ),
      { numRuns: 12 },
    );
  });
});

describe('what a model does with the cache', () => {
  const writes = (decode: (x: Tensor, cache: KeyValueCache) => Tensor, prompt = [1, 2, 3]): Promise<number[]> => {
    const model = Object.assign(new GPT(VOCABULARY, { context: 8, layers: 1, heads: 2, width: 8 }), { decode }).initialize(0);
    return generate(writerOf(model), { prompt, length: 2 });
  };
  const attended = (cache: KeyValueCache, x: Tensor, heads = 1): Tensor => cache.attention(x, null, null, { heads });
  const embedded = (x: Tensor, width: number): Tensor =>
    x.graph.constant(new Float32Array(width * x.shape[1]!), [1, x.shape[1]!, width], 'f32');

  it.each<[string, (x: Tensor, cache: KeyValueCache) => Tensor, new (...args: never[]) => Error, RegExp]>([
    [
      'no logits of the last',
      (x) => embedded(x, 11),
      ShapeError,
      /generate: expected logits \[1,tokens\] of the model, got \[1,1,11\]/,
    ],
    [
      'other rows',
      (x, c) => c.last(embedded(x, 11).graph.constant(new Float32Array(22), [1, 2, 11], 'f32')),
      ShapeError,
      /KeyValueCache.last: expected x \[1,1,width\], got \[1,2,11\]/,
    ],
    [
      'heads that do not divide',
      (x, c) => c.last(attended(c, embedded(x, 10))),
      ShapeError,
      /expected q, k and v \[1,1,heads d\], apart or side by side/,
    ],
    [
      'no heads',
      (x, c) => c.last(attended(c, embedded(x, 12), 0)),
      OptionError,
      /KeyValueCache.attention: option heads: .*>= 1, got 0/,
    ],
    [
      'groups',
      (x, c) => c.last(c.attention(embedded(x, 12), embedded(x, 18), null, { heads: 4, kvHeads: 3 })),
      OptionError,
      /option kvHeads: expected a divisor of heads \(4\), got 3/,
    ],
    [
      'another width in each trace',
      (x, c) => c.last(attended(c, embedded(x, 6 * x.shape[1]!))),
      GraphError,
      /number 0 kept f32\[1,8,2\] when the model was traced before, and f32\[1,8,8\] now/,
    ],
  ])('%s', async (_, decode, kind, message) => {
    const error = await writes(decode).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(kind);
    expect((error as Error).message).toMatch(message);
  });

  it('goes with causal self-attention without masks', async () => {
    const layer = new TransformerEncoderLayer(12, 3).initialize(0);
    const error = await writes((x, cache) => layer.forward(embedded(x, 12), { cache })).catch((e: unknown) => e);
    expect(error).toMatchObject({
      message: expect.stringMatching(/option cache: goes with causal self-attention without masks/),
    });
  });
});

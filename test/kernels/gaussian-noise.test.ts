// gaussian-noise.test.ts: the noise for gradients: ChaCha20's published block, Node's own as truth of the kernel, the law of short draws, and that no
// two steps, tensors or elements are made of the same words. `npm run -s check:noise` draws many.
import { createCipheriv } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DTypeError, GraphError, OptionError } from '../../lib/errors.ts';
import { chacha20 } from '../../lib/ir/chacha.ts';
import { Graph } from '../../lib/ir/graph.ts';
import { f32 } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import {
  drawSecretKey,
  GAUSSIAN_NOISE,
  type GaussianNoiseAttrs,
  gaussianNoise,
  noiseBlocks,
  noiseOf,
  SECRET_KEY,
} from '../../lib/ops/gradient/gaussian-noise.ts';
import { TEAMS } from '../kit.ts';
import { drawn, faultsOf, kolmogorov, lawAt, lawOf } from '../noise/law.ts';
import { runGraph } from '../run-graph.ts';
import { runNode } from '../run-node.ts';

const KEY = Int32Array.from({ length: 8 }, (_, i) => Math.imul(0x9e3779b9, i + 1));
/** Steps by the first attempt, tensors by the key of the op. */
const STEPS = [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1];

describe('ChaCha20', () => {
  it('gives the block of RFC 8439, 2.3.2', () => {
    const key = Uint32Array.from({ length: 8 }, (_, i) => 0x03020100 + 0x04040404 * i);
    const out = new Uint32Array(16);
    chacha20(out, key, 1, [0x09000000, 0x4a000000, 0]);
    // biome-ignore format: as printed there
    expect([...out]).toEqual([
      0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3,
      0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
      0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
      0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2,
    ]);
  });

  it('gives the blocks of OpenSSL for any key, counter and nonce', () => {
    const word = fc.nat(0xffffffff);
    fc.assert(
      fc.property(fc.array(word, { minLength: 8, maxLength: 8 }), word, fc.tuple(word, word, word), (key, counter, nonce) => {
        const out = new Uint32Array(16);
        chacha20(out, Int32Array.from(key), counter, nonce);
        expect(out).toEqual(keystream(Uint32Array.from(key), counter, nonce, 1));
      }),
    );
  });
});

/** Words of so many blocks, from OpenSSL. */
function keystream(key: Uint32Array, counter: number, nonce: readonly number[], blocks: number): Uint32Array {
  const cipher = createCipheriv('chacha20', Buffer.from(key.buffer), Buffer.from(Uint32Array.of(counter, ...nonce).buffer));
  const bytes = cipher.update(Buffer.alloc(64 * blocks));
  return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** What the op means under a secret key, in plain loops: of OpenSSL's words, by JavaScript's own logarithm and cosine. */
function expected(count: number, { key, step }: { key: number; step: number }): Float64Array {
  const groups = Math.ceil(count / 32);
  const words = keystream(new Uint32Array(KEY.buffer), 0, [step >>> 0, Math.floor(step / 2 ** 32), key], 16 * groups);
  const long = (block: number, word: number): bigint =>
    BigInt(words[16 * block + word]!) | (BigInt(words[16 * (block + 1) + word]!) << 32n);
  const out = new Float64Array(count);
  for (let group = 0; group < groups; group++) {
    for (let pair = 0; pair < 16; pair++) {
      const [block, half] = [16 * group + 2 * (pair % 8), pair < 8 ? 0 : 2];
      const sums = [0, 0];
      for (let four = 0; four < 16; four += 4) {
        const radius = Math.sqrt(-2 * Math.log((Number(long(block, four + half)) + 0.5) / 2 ** 64));
        const angle = long(block, four + half + 1);
        // From -1/8 to 1/8 of a turn; then mirrored at the diagonal, then turned by a half.
        const turn = (Number(angle & (2n ** 52n - 1n)) + 0.5) / 2 ** 54 - 1 / 8;
        const swapped = (angle >> 62n) & 1n ? 1 / 4 - turn : turn;
        const theta = 2 * Math.PI * (angle >> 63n ? swapped + 1 / 2 : swapped);
        sums[0]! += radius * Math.cos(theta);
        sums[1]! += radius * Math.sin(theta);
      }
      for (const i of [0, 1]) if (32 * group + 16 * i + pair < count) out[32 * group + 16 * i + pair] = sums[i]! / 2;
    }
  }
  return out;
}

describe('the kernel', () => {
  const node = (count: number, secret: boolean, key = 0) => {
    const graph = new Graph('train');
    const ins = [graph.input('x', f32(count), 'feed'), graph.scalar(1, 'f64')];
    if (secret) ins.push(graph.input('secret', SECRET_KEY, 'feed'));
    return graph.add(GAUSSIAN_NOISE, ins, { key });
  };

  it.each(addon().isas)('%s: noise under a key is what OpenSSL and plain loops give', (isa) => {
    for (const [count, key, step] of [
      [1, 0, 0],
      [31, 1, 2 ** 32 + 5],
      [1000, 0xffffffff, 2 ** 40],
    ] as const) {
      const x = Float32Array.from({ length: count }, (_, i) => Math.sin(i) / 8);
      const want = expected(count, { key, step });
      for (const std of [1, 1e-30, 1e30]) {
        const run = { isa, attempt: step, threads: 3 };
        const [got] = runNode(node(count, true, key), [x, Float64Array.of(std), KEY], run);
        got!.forEach((value, i) => {
          const exact = x[i]! + std * want[i]!;
          // One rounding to f32; and the sum of four may cancel.
          expect(Math.abs(value - exact), `${count} std ${std} at ${i}`).toBeLessThan(6.1e-8 * Math.abs(exact) + 4e-15 * std);
        });
      }
    }
  });

  it('adds nothing where the deviation is 0, and NaN where it is none', () => {
    const x = Float32Array.of(0, -0, 1e-40, -3, Infinity, 3e38);
    for (const secret of [false, true]) {
      const ins = (std: number) => [x, Float64Array.of(std), ...(secret ? [KEY] : [])];
      expect([...(runNode(node(6, secret), ins(0))[0] as Float32Array)].map((v) => v + 0)).toEqual([...x].map((v) => v + 0));
      expect((runNode(node(6, secret), ins(NaN))[0] as Float32Array).every(Number.isNaN)).toBe(true);
    }
  });

  it('gives the first elements of a longer tensor, for any number of threads', () => {
    for (const secret of [false, true]) {
      const place = secret ? { secret: KEY } : { seed: 3n };
      const long = drawn(20_000, place, 1);
      for (const count of [1, 15, 16, 17, 31, 32, 33, 511, 512, 513, 8191]) {
        for (const threads of [1, ...TEAMS]) expect(drawn(count, place, threads)).toEqual(long.subarray(0, count));
      }
    }
  });
});

describe('the law', () => {
  it.each([
    ['by the seed', { seed: 2n }],
    ['under a key', { secret: KEY }],
  ] as const)('%s: moments, tails, Kolmogorov-Smirnov, independence', (_, place) => {
    const { x, figures } = lawAt(300_000, place);
    expect(faultsOf(figures)).toEqual([]);
    expect(kolmogorov(x).likely).toBeGreaterThan(1e-3);
  });

  it('is missed by what is slightly wrong', () => {
    const x = drawn(300_000, { seed: 2n });
    const wrong: Readonly<Record<string, Float32Array>> = {
      'too wide by 1 %': x.map((v) => 1.01 * v),
      'shifted by 1/50': x.map((v) => v + 0.02),
      'no tails': x.filter((v) => Math.abs(v) < 3),
      'one half twice': Float32Array.from(x, (_, i) => x[i - (i % 32 < 16 ? 0 : 16)]!),
      'one radius for neighbors': Float32Array.from(x, (v, i) => (i % 2 ? Math.sign(v) * Math.abs(x[i - 1]!) : v)),
      'sums of 12 of a uniform law': Float32Array.from({ length: 25_000 }, (_, i) => {
        let sum = -6;
        for (let k = 0; k < 12; k++) sum += ((Math.imul(i * 12 + k + 1, 0x9e3779b1) >>> 0) + 0.5) / 2 ** 32;
        return sum;
      }),
    };
    for (const [name, numbers] of Object.entries(wrong)) expect(faultsOf(lawOf(numbers)).length, name).toBeGreaterThan(0);
  });

  it('reaches as far as 64 bits do, and every part of the circle', () => {
    const of = (radius: number, angle: number): number[] =>
      [...noiseOf(32, 4, (out) => out.set([radius, angle, radius, angle]))].filter((_, i) => i % 16 === 0);
    // The rarest radius, of which one in 2^64 is: sqrt(2 * 65 log 2). The angle is near the middle of its eighth.
    const [far, side] = of(0, 0);
    expect(Math.hypot(far!, side!)).toBeCloseTo(Math.sqrt(130 * Math.LN2), 12);
    // And the least, where all bits are set: 1 less half a unit, rounded to 1.
    expect(of(0xffffffff, 0).map(Math.abs)).toEqual([0, 0]);
    const eighths = Array.from({ length: 256 }, (_, i) => {
      const [c, s] = of(1 << 20, ((i >> 6) << 30) | ((i & 63) << 14));
      return Math.floor((Math.atan2(s!, c!) / Math.PI) * 4);
    });
    for (let eighth = -4; eighth < 4; eighth++) expect(eighths.filter((e) => e === eighth).length, `${eighth}`).toBe(32);
  });
});

describe('no words are used twice', () => {
  /** The words of numbers, 128 bits each, of some steps, tensors and blocks; and of a step's micro-batches, which are those of the step. */
  function words(secret: Int32Array | null, seed = 0n): Map<string, string> {
    const all = new Map<string, string>();
    for (const step of STEPS) {
      for (const key of [0, 1, 2, 77, 2 ** 31, 2 ** 32 - 1]) {
        const blocks = noiseBlocks(key, secret, { seed, attempt: step });
        const out = new Uint32Array(secret ? 16 : 4);
        for (const block of [...Array(300).keys(), 2 ** 31, 2 ** 32 - 1]) {
          blocks(out, block);
          for (let q = 0; q < out.length; q += 4) all.set(`${step} ${key} ${block} ${q}`, out.subarray(q, q + 4).join());
        }
      }
    }
    return all;
  }

  it.each([
    ['by the seed', null],
    ['under a key', KEY],
  ] as const)('%s: over steps, tensors and elements', (_, secret) => {
    const all = words(secret);
    expect(new Set(all.values()).size).toBe(all.size);
    // Half of a number's bits would be half a number.
    const halves = [...all.values()].flatMap((w) => [w.split(',').slice(0, 2).join(), w.split(',').slice(2).join()]);
    expect(new Set(halves).size).toBe(2 * all.size);
  });

  it('over runs: another seed, another key, and one and the other', () => {
    const other = KEY.map((word, i) => (i === 0 ? word ^ 1 : word));
    const runs = [words(null), words(null, 1n), words(null, 1n << 32n), words(KEY), words(other)];
    expect(new Set(runs.flatMap((run) => [...run.values()])).size).toBe(runs.reduce((n, run) => n + run.size, 0));
  });

  it('keys of the system differ', () => {
    const keys = Array.from({ length: 50 }, () => {
      const key = new Int32Array(8);
      drawSecretKey(key);
      return key.join();
    });
    expect(new Set(keys).size).toBe(50);
  });

  it('a step has the words of its last attempt, whichever of its micro-batches this process runs', () => {
    for (const secret of [false, true]) {
      const graph = new Graph('train');
      graph.section = 'apply';
      const zeros = graph.constant(new Float32Array(40), [40], 'f32');
      const key = secret ? graph.constant(KEY, [8], 'i32') : null;
      graph.output('y', gaussianNoise(zeros, { std: 1, key }));
      graph.output('z', gaussianNoise(zeros, { std: 1, key }));
      const of = (use: number, attempt: number): Float32Array =>
        Float32Array.from(noiseOf(40, secret ? 16 : 4, noiseBlocks(use, secret ? KEY : null, { seed: 9n, attempt })));
      const near = (got: Float32Array, want: Float32Array): void => {
        for (const [i, v] of got.entries()) expect(v).toBeCloseTo(want[i]!, 6);
      };
      for (const { steps, micros, first } of [
        { steps: 1, micros: 1, first: 0 },
        { steps: 3, micros: 4, first: 0 },
        { steps: 1, micros: 4, first: 2 },
        { steps: 1, micros: 3, first: 2 },
      ]) {
        const outs = runGraph(graph, { inputs: {}, seed: 9n, attempt: 100, steps, micros, first });
        const attempt = 100 + steps * micros - 1;
        near(outs.get('y') as Float32Array, of(0, attempt));
        near(outs.get('z') as Float32Array, of(1, attempt));
      }
    }
  });
});

it('what cannot be noise is refused', () => {
  const graph = new Graph('train');
  const x = graph.input('x', f32(3), 'feed');
  expect(() => gaussianNoise(x, { std: 1 })).toThrow(GraphError);
  graph.section = 'apply';
  for (const std of [-1, NaN, Infinity, '1' as never]) {
    expect(() => gaussianNoise(x, { std })).toThrow(OptionError);
    expect(() => gaussianNoise(x, { std })).toThrow('gaussianNoise: option std: expected a finite number >= 0, got');
  }
  const bad = { f64: graph.scalar(1, 'f64'), f32: graph.scalar(1), many: graph.constant(new Float64Array(3), [3], 'f64') };
  expect(() => gaussianNoise(bad.f64, { std: 1 })).toThrow(DTypeError);
  expect(() => gaussianNoise(x, { std: bad.f32 })).toThrow('expected f64[] as std, got f32[]');
  expect(() => gaussianNoise(x, { std: bad.many })).toThrow('expected f64[] as std, got f64[3]');
  expect(() => gaussianNoise(x, { std: 1, key: bad.f32 })).toThrow('expected i32[8] as key, got f32[]');
  const keys = [1, bad.f64].map((std) => (gaussianNoise(x, { std }).node.attrs as GaussianNoiseAttrs).key);
  expect(keys[1]).not.toBe(keys[0]);
});

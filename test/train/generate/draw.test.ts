// draw.test.ts: which tokens may be drawn, and how likely each is, as PyTorch makes it of the rules of transformers.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { draw, likely, uniform } from '../../../lib/train/generate/draw.ts';

interface Case {
  readonly logits: number;
  readonly temperature: number;
  readonly topK: number | null;
  readonly topP: number;
  readonly kept: Readonly<Record<string, number>>;
}
const url = new URL('../../golden/nn/sampling.json', import.meta.url);
const { logits, cases } = JSON.parse(readFileSync(url, 'utf8')) as { logits: number[][]; cases: Case[] };

it('temperature, then the k likeliest, then those that make up p: the tokens and probabilities of PyTorch', () => {
  for (const { logits: which, kept, ...how } of cases) {
    const { tokens, weights } = likely(Float32Array.from(logits[which]!), how);
    const total = weights.reduce((a, b) => a + b, 0);
    const got = [...tokens].flatMap((token, i) => (weights[i]! > 0 ? [[token, weights[i]! / total] as const] : []));
    const told = `${which} ${JSON.stringify(how)}`;
    expect(
      got.map(([token]) => token),
      told,
    ).toEqual(Object.keys(kept).map(Number));
    for (const [token, p] of got) expect(Math.abs(p / kept[token]! - 1), told).toBeLessThan(1e-6);
  }
  expect(cases.length).toBe(144);
});

describe('at the edges', () => {
  const equal = Float32Array.of(1, 1, 1, 1);
  const kept = (topP: number, topK: number | null = null): number[] => {
    const { tokens, weights } = likely(equal, { temperature: 1, topK, topP });
    return [...tokens].filter((_, i) => weights[i]! > 0);
  };
  it('of equal tokens the first stay, one at least', () => {
    expect(kept(0)).toEqual([0]);
    expect(kept(0.25)).toEqual([0]);
    expect(kept(0.26)).toEqual([0, 1]);
    expect(kept(0.75)).toEqual([0, 1, 2]);
    expect(kept(1)).toEqual([0, 1, 2, 3]);
    expect(kept(0.5, 2)).toEqual([0]);
    expect(kept(0.51, 2)).toEqual([0, 1]);
  });
  it('what has no probability is never drawn', () => {
    const none = Float32Array.of(Number.NEGATIVE_INFINITY, 0, Number.NEGATIVE_INFINITY);
    for (const topK of [null, 1, 2, 3])
      for (const at of [0, 0.5, 1 - 2 ** -32]) expect(draw(none, { temperature: 1, topK, topP: 1 }, at)).toBe(1);
  });
  it('of a large vocabulary what is not sorted changes nothing', () => {
    const many = Float32Array.from({ length: 20_000 }, (_, i) => 3 * Math.sin(i) + (i % 5000 === 7 ? 9 : 0));
    for (const topP of [0.3, 0.9, 0.999]) {
      const order = [...many.keys()].sort((a, b) => many[b]! - many[a]!);
      const total = many.reduce((sum, v) => sum + Math.exp(v), 0);
      let sum = 0;
      let count = 0;
      while (sum < topP * total) sum += Math.exp(many[order[count++]!]!);
      const { tokens, weights } = likely(many, { temperature: 1, topK: null, topP });
      expect([...tokens].filter((_, i) => weights[i]! > 0)).toEqual(order.slice(0, count).sort((a, b) => a - b));
    }
  });
});

it('rows of a batch, tokens of a text and seeds have numbers of their own', () => {
  const all = [0n, 1n, 2n ** 63n].flatMap((seed) => [0, 1, 7].flatMap((row) => [0, 1, 2].map((i) => uniform(seed, row, i))));
  expect(new Set(all).size).toBe(27);
  expect(all.every((u) => u >= 0 && u < 1)).toBe(true);
});

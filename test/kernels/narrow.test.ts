// narrow.test.ts: values as bf16 and back: what PyTorch rounds numbers of all kinds to (golden/ops/bf16.json), on every ISA and team.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Graph } from '../../lib/ir/graph.ts';
import { addon } from '../../lib/native/addon.ts';
import { NARROW, WIDEN } from '../../lib/ops/elementwise/narrow.ts';
import { SOME_TEAMS } from '../kit.ts';
import { runGraph } from '../run-graph.ts';

const GOLDEN: { f32: number[]; bf16: number[] } = JSON.parse(
  readFileSync(new URL('../golden/ops/bf16.json', import.meta.url), 'utf8'),
);
const isNaN16 = (bits: number): boolean => (bits & 0x7fff) > 0x7f80;
// Products have no denormals, and this rounds as they do; PyTorch keeps them. A NaN keeps what it carries, where PyTorch has one NaN for all.
const wanted = GOLDEN.bf16.map((bits, i) => ((GOLDEN.f32[i]! & 0x7f800000) === 0 ? (GOLDEN.f32[i]! >>> 16) & 0x8000 : bits));

it('has numbers of all kinds', () => {
  expect(GOLDEN.f32.some((bits) => (bits & 0x7f800000) === 0 && (bits & 0x7fffff) !== 0)).toBe(true);
  expect(GOLDEN.bf16.filter(isNaN16).length).toBeGreaterThan(3);
  expect(GOLDEN.f32.filter((bits) => (bits & 0xffff) === 0x8000).length).toBeGreaterThan(5);
});

it.each(addon().isas)('rounds as PyTorch, and gives exactly that back: %s', (isa) => {
  // Once after the other, so that every element lies in every lane, and a tail is left.
  const times = 17;
  const f32 = new Float32Array(times * wanted.length);
  for (let k = 0; k < times; k++) new Uint32Array(f32.buffer).set(GOLDEN.f32, k * wanted.length);
  for (const threads of SOME_TEAMS) {
    const graph = new Graph();
    const x = graph.input('x', { dtype: 'f32', shape: [f32.length] }, 'data');
    const narrow = graph.add(NARROW, [x], {}).out;
    graph.output('narrow', narrow);
    graph.output('wide', graph.add(WIDEN, [narrow], {}).out);
    const run = runGraph(graph, { inputs: { x: f32 }, isa, threads });
    const bytes = run.get('narrow')! as Uint8Array;
    const got = new Uint16Array(bytes.buffer, bytes.byteOffset, f32.length);
    const wide = run.get('wide')! as Float32Array;
    const wideBits = new Uint32Array(wide.buffer, wide.byteOffset, wide.length);
    for (let i = 0; i < got.length; i++) {
      const want = wanted[i % wanted.length]!;
      const same = got[i] === want || (isNaN16(got[i]!) && isNaN16(want) && (got[i]! & 0x40) !== 0);
      if (!same) expect.fail(`x${threads}, element ${i}: ${got[i]!.toString(16)}, expected ${want.toString(16)}`);
      if (wideBits[i] !== got[i]! * 65536) expect.fail(`x${threads}, element ${i}: ${wideBits[i]!.toString(16)}`);
    }
  }
});

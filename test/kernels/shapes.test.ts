// shapes.test.ts: every op on shapes drawn at random: the same bits from teams of any size and from AVX2 and AVX-512, in place or not,
// with zeros of both signs, denormals, infinities and NaN among the elements; nothing read unwritten; and what `ref` says where that is soon told.
// GRADCLIP_RUNS=1000 draws so many cases of each op.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Node } from '../../lib/ir/graph.ts';
import { type Data, type OpDef, type RefArray, sizeOf } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { ALL_OPS } from '../../lib/optim/list.ts';
import { allocate } from '../interpret.ts';
import { TEAMS } from '../kit.ts';
import { KINDS_OF_BITS, runTeams, sameNumbers, unwritten } from '../run-node.ts';
import { type Case, Draw } from '../shapes/draw.ts';
import { GENERATORS } from '../shapes/index.ts';
import { setUp } from '../shapes/set-up.ts';

// biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
type AnyOp = OpDef<any>;

test('every op has a generator, and every kernel an op', () => {
  expect(ALL_OPS.map((op) => op.name).filter((name) => !GENERATORS[name])).toEqual([]);
  const kernels = new Set(ALL_OPS.map((op) => op.kernel ?? op.name));
  // Made by the compiler, and those that no step has.
  const others = addon().kernels.filter((name) => !kernels.has(name) && !name.startsWith('probe_'));
  expect(others).toEqual(['skip_if']);
});

const SEED = 5n;
const ATTEMPT = 3;
const RUNS = process.env.GRADCLIP_RUNS;

const cases = ALL_OPS.filter((op: AnyOp) => !op.alias).map((op: AnyOp) => ({ name: op.name, op }));
test.each(cases)('$name', ({ op }) => {
  // All of `map` is one kernel; a product cuts its work in more ways than any other.
  const runs = RUNS ? Number(RUNS) : op.map ? 1 : op.name === 'matmul' ? 40 : 8;
  fc.assert(
    fc.property(fc.gen(), fc.nat(), (next, seed) => {
      const d = new Draw(next);
      check(op, GENERATORS[op.name]!(d), seed, d);
    }),
    { numRuns: runs },
  );
});

function check(op: AnyOp, drawn: Case, seed: number, d: Draw): void {
  const { node, data, odd, inplace, what } = setUp(op, drawn, seed, d);
  for (const isas of KINDS_OF_BITS) {
    let one: Data[] | undefined;
    for (const isa of isas) {
      runTeams(node, data, { isa, teams: [1, ...TEAMS], inplace, seed: SEED, attempt: ATTEMPT }, (outs, threads) => {
        one ??= outs.map((x) => x.slice());
        const different = outs.findIndex((x, i) => !sameNumbers(x, one![i]!));
        if (different >= 0) expect.fail(`${what}: output ${different} on ${isa} with ${threads} threads`);
        const hole = outs.findIndex(unwritten);
        if (hole >= 0) expect.fail(`${what}: output ${hole} on ${isa} with ${threads} threads holds what nobody has written`);
      });
    }
    if (!odd && !drawn.bitsOnly && isSoonTold(node)) compare(node, data, one!, drawn.tolerance ?? 2e-6, `${what} on ${isas}`);
  }
}

const isSoonTold = (node: Node): boolean =>
  !node.op.effect &&
  node.op.cost(node).flops < 1e6 &&
  [...node.ins, ...node.outs].reduce((n, t) => n + sizeOf(t.shape), 0) < 20_000;

function compare(node: Node, data: readonly Data[], got: readonly Data[], tolerance: number, what: string): void {
  const outs = node.outs.map((t) => allocate(t.dtype, sizeOf(t.shape), true));
  const ins = data.map((x): RefArray => (x instanceof Float32Array ? Float64Array.from(x) : x));
  node.op.ref(outs, ins, node, { seed: SEED, attempt: ATTEMPT, micro: 0, micros: 1 });
  for (const [o, want] of outs.entries()) {
    for (let i = 0; i < want.length; i++) {
      const [g, w] = [got[o]![i]!, want[i]!];
      if (Object.is(g, w) || (Number.isNaN(g) && Number.isNaN(w))) continue;
      const error = Math.abs(g - w) / Math.max(1, Math.abs(w));
      if (!(error <= tolerance)) expect.fail(`${what}: output ${o} at ${i}: got ${g}, expected ${w} (error ${error})`);
    }
  }
}

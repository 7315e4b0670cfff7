// hashes.ts: what the kernels of every op give for its samples and for shapes drawn at random, as hashes: the same on every processor.
import fc from 'fast-check';
import type { Node } from '../../lib/ir/graph.ts';
import type { Data, OpDef } from '../../lib/ir/op.ts';
import { ALL_OPS } from '../../lib/optim/list.ts';
import { fillSample } from '../run-graph.ts';
import { runTeams } from '../run-node.ts';
import { Draw } from '../shapes/draw.ts';
import { GENERATORS } from '../shapes/index.ts';
import { nodeOf, setUp } from '../shapes/set-up.ts';
import { hashOf } from '../torture/compare.ts';

// biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
type AnyOp = OpDef<any>;

/** By case: hashes of the inputs, then of the outputs, in which all NaN are one. */
export type Hashes = Record<string, readonly [ins: string, outs: string]>;

const TEAMS = [1, 3];
const SEED = 5;

/** `shapes`: how many are drawn for each op. */
export function kernelHashes(isa: string, shapes: number): Hashes {
  const hashes: Hashes = {};
  const add = (name: string, node: Node, ins: readonly Data[], inplace: readonly (readonly [number, number])[]): void => {
    const before = ins.map(hashOf).join(' ');
    runTeams(node, ins, { isa, teams: TEAMS, inplace, seed: 5n, attempt: 3 }, (outs, threads) => {
      hashes[`${name} on ${threads} threads`] = [before, outs.map(hashOf).join(' ')];
    });
  };
  for (const op of ALL_OPS.filter((op: AnyOp) => !op.alias) as AnyOp[]) {
    for (const [i, sample] of op.samples().entries())
      add(`${op.name}, sample ${i}`, nodeOf(op, sample), fillSample(sample, 7), []);
    const drawn = fc.gen().map((next) => {
      const d = new Draw(next);
      return setUp(op, GENERATORS[op.name]!(d), d.int(0, 2 ** 31 - 1), d);
    });
    for (const [i, { node, data, inplace, what }] of fc.sample(drawn, { numRuns: shapes, seed: SEED }).entries())
      add(`${op.name}, shape ${i}: ${what}`, node, data, inplace);
  }
  return hashes;
}

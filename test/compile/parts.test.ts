// parts.test.ts: of which sums over processes only a part is made, how the rest of the step reads it, and that parts are computed where they lie.
import { describe, expect, it } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { compile } from '../../lib/compile/compile.ts';
import type { Instr } from '../../lib/compile/program.ts';
import { SPACE } from '../../lib/compile/program.ts';
import { Graph, inSection, type State, type Tensor } from '../../lib/ir/graph.ts';
import { sizeOf } from '../../lib/ir/op.ts';
import { target } from '../../lib/native/program.ts';
import { scale } from '../../lib/ops/gradient/stage.ts';
import { type StatisticKind, statistic } from '../../lib/ops/gradient/statistics.ts';
import { add, mul, sum } from '../../lib/ops/index.ts';
import { allGather } from '../../lib/ops/step/all-gather.ts';
import { ownPart, partOf } from '../../lib/ops/step/parts.ts';
import { sync } from '../../lib/ops/step/sync.ts';
import { ApplyStates, buildApply } from '../../lib/optim/apply/apply.ts';
import * as optim from '../../lib/optim/index.ts';

const ranked = { rank: 1, size: 2 };
const SHAPE = [170, 111];
const ELEMENTS = sizeOf(SHAPE);
const [FROM, TO] = partOf(ELEMENTS, ranked);

interface Given {
  readonly shape?: readonly number[];
  readonly kind?: StatisticKind;
  /** What is measured is not the sum as it is. */
  readonly scaled?: boolean;
}
/** A step that takes away a part of a sum of gradients, of the part of a parameter that is this process's. */
function step(
  read: (sum: Tensor, graph: Graph, next: Tensor, weight: Tensor) => void,
  { shape = SHAPE, kind = 'sumSquares', scaled = false }: Given = {},
): { readonly instrs: readonly Instr[]; readonly named: (kernel: string) => Instr } {
  const graph = new Graph('train');
  const state: State = { name: 'weight', type: { dtype: 'f32', shape } };
  const weight = graph.state(state);
  const x = graph.input('x', { dtype: 'f32', shape }, 'feed');
  const whole = sync(mul(weight, x));
  inSection(graph, 'apply', () => {
    const stages = scaled ? [scale(graph.scalar(2, 'f64'))] : [];
    const max = kind === 'sumPow' ? { max: graph.scalar(1, 'f64') } : {};
    graph.output('norm', statistic([whole, x], { kind, stages, ...max }).total);
    const part = add(ownPart(weight, ranked), mul(ownPart(whole, ranked), -1));
    const [next] = allGather([weight], [part], ranked);
    graph.assign(state, next!, { always: true });
    read(whole, graph, next!, weight);
  });
  const { instrs } = compile(graph, target());
  return { instrs, named: (kernel) => instrs.find((i) => i.kernel === kernel)! };
}
const nothing = (): void => {};
/** Of each input of the exchange: whether a part of it is summed. */
const parts = ({ instrs }: { readonly instrs: readonly Instr[] }): number[] =>
  instrs.filter(({ kernel }) => kernel === 'sync').flatMap(({ ints }) => ints.filter((_, i) => i % 5 === 4));

describe('of a large sum of which each process updates a part', () => {
  it.each(['sumSquares', 'sumAbs', 'maxAbs'] as const)('a part is made, and %s of the blocks of all', (kind) => {
    const made = step(nothing, { kind });
    expect(parts(made)).toEqual([1]);
    expect(made.named('syncBegin').ints.at(-1)).toBe(1);
    const { outs, ints } = made.named('partStatistic');
    expect(outs.map(({ bytes }) => bytes)).toEqual([8 * Math.ceil(ELEMENTS / 4096)]);
    expect(ints).toEqual([1, 2, ['sumSquares', 'sumAbs', 'maxAbs'].indexOf(kind), ELEMENTS]);
    // The statistic takes these, and the other tensor as it is.
    const all = made.instrs.find((i) => i.kernel === 'statistic' || i.kernel === 'decide')!;
    expect(all.ins.slice(0, 2).map(({ bytes }) => bytes)).toEqual([outs[0]!.bytes, 4 * ELEMENTS]);
  });
  it('it is made whole where more of it is read, or it is measured otherwise', () => {
    const read = {
      output: (whole: Tensor, graph: Graph) => graph.output('gradient', whole),
      operand: (whole: Tensor, graph: Graph) => graph.output('all', sum(whole)),
      another: (whole: Tensor, graph: Graph) => graph.output('other', sum(ownPart(whole, { rank: 0, size: 2 }))),
    };
    for (const f of Object.values(read)) expect(parts(step(f))).toEqual([0]);
    expect(parts(step(nothing, { kind: 'sumPow' }))).toEqual([0]);
    expect(parts(step(nothing, { scaled: true }))).toEqual([0]);
  });
  it('what is not large travels with all else', () => {
    expect(parts(step(nothing, { shape: [128, 128] }))).toEqual([0]);
    expect(parts(step(nothing, { shape: [16_385] }))).toEqual([1]);
  });
});

describe('policies', () => {
  const summed = (policy: clip.ClipPolicy): readonly number[] => {
    const graph = new Graph('train');
    const state: State = { name: 'weight', type: { dtype: 'f32', shape: SHAPE } };
    const x = graph.input('x', { dtype: 'f32', shape: SHAPE }, 'feed');
    const grads = [sync(mul(graph.state(state), x))];
    const loss = inSection(graph, 'apply', () => graph.scalar(1, 'f64'));
    const groups = [{ params: [{ name: 'weight', state }], optimizer: optim.adamw() }];
    buildApply({ graph, groups, grads, policy, loss, states: new ApplyStates(ranked) });
    return parts(compile(graph, target()));
  };
  it.each([
    clip.globalNorm(1),
    ...[clip.globalNorm(1, { p: 1 }), clip.perTensorNorm(1, { p: Infinity }), clip.zclip(), clip.autoClip(), clip.none()],
  ])('$name goes by norms: of parts', (policy) => {
    expect(summed(policy)).toEqual([1]);
  });
  it.each([clip.globalNorm(1, { nonFinite: 'zero' }), clip.value(1), clip.agc(), clip.globalNorm(1, { p: 3 })])(
    '$name looks at elements: of all',
    (policy) => {
      expect(summed(policy)).toEqual([0]);
    },
  );
});

describe('the part of a state', () => {
  it('is read and written where it lies, and nothing is copied', () => {
    const { instrs, named } = step(nothing);
    const gather = named('allGather');
    const [whole, part] = gather.ins;
    expect(gather.outs).toEqual([whole]);
    expect(part).toEqual({ ...whole, offset: whole!.offset + 4 * FROM, bytes: 4 * (TO - FROM) });
    const update = instrs.find(({ outs }) =>
      outs.some((o) => o.space === part!.space && o.offset === part!.offset && o.bytes === part!.bytes),
    )!;
    expect(update.ins).toContainEqual(part);
    expect(instrs.filter(({ kernel }) => kernel === 'copy')).toEqual([]);
  });
  it('is written elsewhere while somebody reads the state as it was', () => {
    const after = step((_, graph, next, weight) => graph.output('moved', sum(mul(next, weight))));
    expect(after.named('allGather').ins.at(-1)!.space).toBe(SPACE.arena);
  });
});

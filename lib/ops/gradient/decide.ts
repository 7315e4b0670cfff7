// decide.ts: a statistic and a chain of single numbers that follow from it, in one instruction: what a clip policy measures, decides and
// reports. Made by the compiler. Kernel: decide.h.
import { ShapeError } from '../../errors.ts';
import type { Node, Tensor } from '../../ir/graph.ts';
import { f32, f64, type OpDef, type RefArray, type Sample } from '../../ir/op.ts';
import { SCALARS, type ScalarsAttrs } from '../elementwise/map.ts';
import { STATISTIC, type StatisticAttrs, statisticInputs } from './statistics.ts';

export interface DecideAttrs {
  readonly statistic: StatisticAttrs;
  /** Its first inputs are those outputs of the statistic that are single numbers, in order: total, firstBad, badCount. */
  readonly chain: ScalarsAttrs;
}

const OUTS = 4;

/** Inputs of the statistic, then those of the chain that do not come from it. */
function split<T>(ins: readonly T[], { statistic }: DecideAttrs): [of: readonly T[], more: readonly T[]] {
  const count = statisticInputs(statistic);
  return [ins.slice(0, count), ins.slice(count)];
}

/** The two as nodes of their own. */
function parts({ ins, outs, attrs }: Node<DecideAttrs>): { statistic: Node<StatisticAttrs>; chain: Node<ScalarsAttrs> } {
  const [of, more] = split(ins, attrs);
  const part = <A>(ins: readonly Tensor[], outs: readonly Tensor[], attrs: A): Node<A> => ({ ins, outs, attrs }) as Node<A>;
  return {
    statistic: part(of, outs.slice(0, OUTS), attrs.statistic),
    chain: part([...outs.slice(1, OUTS), ...more], outs.slice(OUTS), attrs.chain),
  };
}

export const DECIDE: OpDef<DecideAttrs> = {
  name: 'decide',
  infer(ins, attrs) {
    const [of, more] = split(ins, attrs);
    if (of.length < statisticInputs(attrs.statistic)) throw new ShapeError('decide: expected the inputs of a statistic');
    const measured = STATISTIC.infer(of, attrs.statistic);
    return [...measured, ...SCALARS.infer([...measured.slice(1), ...more], attrs.chain)];
  },
  lower(node, context) {
    const { statistic, chain } = parts(node);
    const of = STATISTIC.lower!(statistic, context);
    const then = SCALARS.lower!(chain, context);
    const head = [statistic.ins.length, of.ints!.length, of.floats!.length];
    return { ints: [...head, ...of.ints!, ...then.ints!], floats: [...of.floats!, ...then.floats!] };
  },
  decides: ({ attrs }) => attrs.chain.skips !== undefined,
  cost(node) {
    const { statistic, chain } = parts(node);
    const [of, then] = [STATISTIC.cost(statistic), SCALARS.cost(chain)];
    return { flops: of.flops + then.flops, bytes: of.bytes + then.bytes };
  },
  ref(outs, ins, node, context) {
    const { statistic, chain } = parts(node);
    const [of, more] = split(ins, node.attrs);
    STATISTIC.ref(outs.slice(0, OUTS), of, statistic, context);
    SCALARS.ref(outs.slice(OUTS), [...outs.slice(1, OUTS), ...more] as RefArray[], chain, context);
  },
  samples: (): Sample<DecideAttrs>[] => {
    const chain: ScalarsAttrs = {
      steps: [
        { map: 'sqrt', args: [{ in: 0 }] },
        { map: 'div', args: [{ in: 3 }, { step: 0 }] },
        { map: 'minimum', args: [{ step: 1 }, 1] },
      ],
      outs: [0, 2],
      skips: { in: 2 },
    };
    const plain = { kind: 'sumSquares', p: 2, max: 'none', stages: [] } as const;
    const powers = { kind: 'sumPow', p: 3, max: 'one', stages: [{ kind: 'scale', at: 'one' }], ready: [false, false] } as const;
    return [
      { ins: [f32(3, 5), f32(4099), f64()], attrs: { statistic: { ...plain, ready: [false, false] }, chain }, noGradient: true },
      { ins: [f32(7), f64(3), f64()], attrs: { statistic: { ...plain, ready: [false, true] }, chain }, noGradient: true },
      {
        ins: [f32(70), f32(1), f64(), f64(), f64()],
        attrs: { statistic: powers, chain },
        fill: ['normal', 'normal', [1, 2], [0, 1], 'positive'],
        noGradient: true,
      },
    ];
  },
};

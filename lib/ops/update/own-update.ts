// own-update.ts: the update of an optimizer of one's own whose rule is elementwise: a chain in place of a rule. Kernel: update_chain.h.
import type { OpDef, RefArray, Sample } from '../../ir/op.ts';
import { chainInts, type OwnArg, type OwnChain, type OwnStep, runChain } from '../elementwise/own.ts';
import { type UpdateAttrs, type Updated, type UpdateOperands, updateAs, updateFamily, updateSamples } from './update.ts';

export interface OwnUpdateAttrs extends UpdateAttrs {
  /** Vectors: parameter, gradient, slots. Given: the hyper-parameters. Results: the next parameter, the next slots. */
  readonly chain: OwnChain;
}

/** The variant is the number of slots. */
export const UPDATE_CHAIN: OpDef<OwnUpdateAttrs> = updateFamily<OwnUpdateAttrs>({
  name: 'update_chain',
  slotsOf: ({ chain }) => chain.vectors - 2,
  hyperOf: ({ chain }) => chain.given,
  flopsOf: ({ chain }) => chain.steps.length,
  before: ({ chain }, { mapIndex }) => chainInts(chain, mapIndex),
  stepOf({ chain }, row) {
    const given = Array.from(row as RefArray);
    return (p, g, slots) => {
      const [next, ...rest] = runChain(chain, [p, g, ...slots, ...given]);
      for (const [k, value] of rest.entries()) slots[k] = value;
      return next!;
    };
  },
  samples,
});

const at = (i: number): OwnArg => ({ in: i });
const of = (i: number): OwnArg => ({ step: i });
const step = (map: string, ...args: OwnArg[]): OwnStep => ({ map, args });

function samples(): Sample<OwnUpdateAttrs>[] {
  // Gradient descent; momentum, with a number made of numbers; an average and squares, of which the first result is the gradient itself.
  const chains: OwnChain[] = [
    { vectors: 2, given: 1, steps: [step('mul', at(1), at(2)), step('sub', at(0), of(0))], outs: [of(1)] },
    {
      vectors: 3,
      given: 2,
      steps: [
        step('neg', at(3)),
        step('mul', at(2), at(4)),
        step('add', of(1), at(1)),
        step('fma', of(2), of(0), at(0)),
        step('where', at(1), of(3), at(0)),
      ],
      outs: [of(4), of(2)],
    },
    { vectors: 4, given: 1, steps: [step('square', at(1)), step('fma', of(0), at(4), at(3))], outs: [at(1), at(2), of(1)] },
  ];
  return chains.flatMap((chain) => {
    const slots = chain.vectors - 2;
    const rows = [0.1, 0.7].map((value) => Array.from({ length: chain.given }, (_, i) => value / (1 + i)));
    return updateSamples({ rows, slots }).map((s) => ({ ...s, attrs: { ...s.attrs, variant: slots, chain } }));
  });
}

/** Update the parameters of a group by a chain, in one pass. */
export function updateChain(chain: OwnChain, x: UpdateOperands): Updated {
  return updateAs(UPDATE_CHAIN, { variant: chain.vectors - 2, chain }, x);
}

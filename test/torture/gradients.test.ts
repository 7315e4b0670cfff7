// gradients.test.ts: of random networks, gradients without a step have loss and norm of the step that follows, to the bit.
import { expect, it } from 'vitest';
import { none } from '../../lib/clip/policies/none.ts';
import type { NdArray } from '../../lib/train/feed/source.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { drawProgram } from './draw.ts';
import { programOf } from './train.ts';

const PROGRAMS = Number(process.env.GRADCLIP_RUNS ?? 10);

it('loss and norm of the step that follows', () => {
  let compared = 0;
  for (let seed = 1; compared < PROGRAMS; seed++) {
    const spec = drawProgram(seed);
    const { rows, batchSize, accumulate, dropLast, input, around } = spec;
    // A fit leaves the shorter last batch out, or draws windows of its own; scales and guards have steps of their own.
    if (input.source !== 'rows' || dropLast || around.lossScale !== undefined || around.guards !== undefined) continue;
    const { options, arrays } = programOf(spec);
    const count = Math.min(rows, batchSize * accumulate);
    const first = ({ data, shape: [n, ...row] }: NdArray): NdArray => ({
      data: data.slice(0, (data.length / n!) * count),
      shape: [count, ...row],
    });
    const data = Object.fromEntries(Object.entries(arrays).map(([name, a]) => [name, first(a as NdArray)]));
    const trainer = new Trainer({ ...options(), clip: none({ nonFinite: 'propagate' }) });
    const { loss, norm } = trainer.gradientsSync(data);
    const validation = around.plateau === undefined ? {} : { validation: data };
    const { last } = trainer.fitSync(data, { steps: 1, shuffle: false, ...validation });
    expect([loss, norm], `seed ${seed}`).toEqual([last!.loss, last!.norm]);
    trainer.dispose();
    compared++;
  }
});

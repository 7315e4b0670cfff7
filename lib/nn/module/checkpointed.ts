// checkpointed.ts: part of a model of which the forward pass keeps nothing for the backward pass, where it is computed again.
import type { Tensor } from '../../ir/graph.ts';
import { checkpoint } from '../../ir/recompute.ts';
import { custom, type Field, fn, Place, rest, signature } from '../../options/index.ts';
import { tensorsIn } from './trace.ts';

const anything: Field<unknown> = custom('anything', (value) => value);
const readCheckpointed = signature('nn.checkpointed', {
  forward: fn<(...inputs: never[]) => unknown>('a function of the inputs'),
  inputs: rest(anything),
});

/**
 * What `forward` makes of `inputs`. Of what it computes on the way, the forward pass of a training keeps nothing: the
 * backward pass computes it again, with the same bits, those of dropout too. That takes less memory, and the time of
 * one more forward pass of this part. What it is given and gives is kept, so it is worth it around several layers. A
 * trainer's option `checkpointed` does the same by the names of modules.
 * ```ts
 * forward(x: Tensor): Tensor {
 *   for (const block of this.blocks) x = nn.checkpointed((h: Tensor) => block.forward(h), x);
 *   return this.head.forward(x);
 * }
 * ```
 * @shape inputs [...] each -> what `forward` gives
 * @param forward called once, while the model is traced
 * @param inputs what it is called with, some of it a tensor
 * @throws OptionError, also where no tensor is given
 * @see torch.utils.checkpoint.checkpoint
 */
export function checkpointed<const I extends readonly unknown[], R>(forward: (...inputs: I) => R, ...inputs: I): R {
  readCheckpointed(arguments);
  const [first]: readonly (Tensor | undefined)[] = inputs.flatMap((x) => tensorsIn(x));
  if (!first) throw new Place('nn.checkpointed', 'argument', 'inputs').wrong('some tensor among them', inputs);
  return checkpoint(first.graph, () => forward(...inputs));
}

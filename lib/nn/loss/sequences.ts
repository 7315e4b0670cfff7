// sequences.ts: the loss of sequences whose labels no frame is assigned to.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { tensor } from '../../ops/args.ts';
import { cast, div, maximum } from '../../ops/elementwise/elementwise.ts';
import { type CTCOptions, ctcFields, ctcOf, sequencesOf } from '../../ops/reduce/ctc.ts';
import { logSoftmax } from '../../ops/reduce/softmax.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { options, signature } from '../../options/index.ts';
import { countingOf, type ReductionOptions, reducedBy, reductionFields } from './reduction.ts';

/** Options of `loss.ctc`. */
export interface CTCLossOptions extends ReductionOptions, CTCOptions {}

const readCtc = signature(
  'loss.ctc',
  { logits: tensor, targets: tensor },
  options<CTCLossOptions>()({ ...reductionFields, ...ctcFields }),
);

/**
 * Connectionist temporal classification (Graves et al. 2006): the loss of labels in order, such as letters of speech, where nobody says which frame
 * belongs to which. Takes logits, of which a softmax makes probabilities; log-probabilities, as PyTorch's loss wants them, are logits of themselves,
 * with the same loss and gradient. Unlike PyTorch's, rows come before time, lengths may be left out, and a mean over rows that have none is 0. A mean
 * divides the loss of each row by the number of its labels, at least 1, and then by rows. Labels that no path through a row's frames gives, since
 * there are too few, make it infinite: `zeroInfinity` leaves such rows out. A label that is the blank, or outside the classes, or a length above what
 * there is, ends the run with an IndexError. `ops.ctcLoss` has the loss alone. Second derivatives do not pass through it.
 * @shape logits f32 [..., time, classes], targets [..., labels] -> f64 scalar, or [...] where not reduced
 * @param targets whole numbers; unless `targetLengths` are given, those from the first below 0 on are none
 * @throws OptionError; ShapeError if shapes do not fit; DTypeError unless logits are f32
 * @see torch.nn.CTCLoss
 */
export function ctc(logits: TensorLike, targets: TensorLike, options: CTCLossOptions = {}): Tensor {
  const { logits: x, targets: y, ...read } = readCtc(arguments);
  const rows = sequencesOf('ctc', 'loss.ctc', x, y, read);
  const { lead } = rows;
  const counting = countingOf('ctc', x.graph, lead, read);
  // Of rows that do not count nothing is read: they have no frames and no labels.
  const flat = (t: Tensor): Tensor => reshape(t, rows.frames.shape);
  const hide = (lengths: Tensor): Tensor => (counting ? cast(flat(counting.hide(reshape(lengths, lead))), 'i32') : lengths);
  const shown = counting ? reshape(counting.hide(x), rows.x.shape) : rows.x;
  const counts = hide(rows.counts);
  const values = ctcOf({ lead, labels: rows.labels, x: logSoftmax(shown), frames: hide(rows.frames), counts }, read);
  if (read.reduction !== 'mean') return reducedBy(values, counting, read);
  return reducedBy(div(values, maximum(cast(reshape(counts, lead), 'f64'), 1)), counting, read);
}

// ctc-decode.ts: which labels the scores of frames say, by the best class of each frame.
import { OptionError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { sameShape, sizeOf } from '../../ir/op.ts';
import { type OptionsField, options, signature } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { cast, less, mul, notEqual, sub, where } from '../elementwise/elementwise.ts';
import { scatter } from '../rows/along.ts';
import { asIndices } from '../rows/indices.ts';
import { concat } from '../shape/concat.ts';
import { broadcastTo, reshape } from '../shape/shape.ts';
import { slice } from '../shape/slice.ts';
import { type CTCOptions, type CtcRead, ctcFields } from './ctc.ts';
import { argmax } from './reduce.ts';
import { cumsum } from './scan.ts';

/** Options of `ops.ctcDecode`. */
export interface CTCDecodeOptions extends Pick<CTCOptions, 'inputLengths' | 'blank'> {}
type Read = Pick<CtcRead, 'inputLengths' | 'blank'>;
const { inputLengths, blank } = ctcFields;
const decodeOptions: OptionsField<CTCDecodeOptions, Read> = options<CTCDecodeOptions>()({ inputLengths, blank });
const readDecode = signature('ops.ctcDecode', { scores: tensor }, decodeOptions);

/**
 * The labels that scores of frames say by their best path: of each frame the class of the largest score, what follows itself once, without blanks.
 * Each row of the result has its labels, in order, and -1 after the last. Scores are logits or log-probabilities, as `loss.ctc` takes them. No
 * gradient. A length below 0 is 0, one above time is time.
 * @shape scores [..., time, classes] -> i32 [..., time]
 * @throws OptionError; ShapeError if shapes do not fit
 * @see Graves et al. 2006, Connectionist Temporal Classification: best path decoding
 */
export function ctcDecode(scores: TensorLike, options: CTCDecodeOptions = {}): Tensor {
  const { scores: x, blank, inputLengths } = readDecode(arguments);
  if (x.shape.length < 2) throw new ShapeError(`ctcDecode: expected [..., time, classes], got [${x.shape}]`);
  const [time, classes] = x.shape.slice(-2) as [number, number];
  const lead = x.shape.slice(0, -2);
  if (blank >= classes) {
    const text = `ops.ctcDecode: option blank: expected one of the ${classes} classes, from 0 on, got ${blank}`;
    throw new OptionError(text, { option: 'blank', value: blank });
  }
  if (inputLengths && !sameShape(inputLengths.shape, lead))
    throw new ShapeError(`ctcDecode: expected inputLengths of [${lead}], got [${inputLengths.shape}]`);
  const n = sizeOf(lead);
  const best = reshape(argmax(x, { axis: -1 }), [n, time]);
  if (time === 0) return reshape(best, [...lead, time]);
  const { graph } = x;
  const path = cast(best, 'f64');
  const none = broadcastTo(graph.scalar(-1, 'f64'), [n, 1]);
  const before = concat([none, slice(path, { axis: 1, start: 0, end: time - 1 })], 1);
  let said = mul(notEqual(path, blank), notEqual(path, before));
  if (inputLengths) {
    const frames = graph.constant(
      Float64Array.from({ length: time }, (_, t) => t),
      [time],
      'f64',
    );
    said = mul(said, less(frames, reshape(cast(asIndices(inputLengths), 'f64'), [n, 1])));
  }
  // What is not said goes behind the others, and is cut off.
  const place = where(said, sub(cumsum(said, { axis: 1 }), 1), time);
  const labels = scatter(broadcastTo(graph.scalar(-1, 'f64'), [n, time + 1]), cast(place, 'i32'), path, { axis: 1 });
  return reshape(cast(slice(labels, { axis: 1, start: 0, end: time }), 'i32'), [...lead, time]);
}

// prepare.ts: what is done to a batch before the model sees it, as part of the graph: images changed at random, then transforms.

import { type Augmentation, type AugmentPlan, augmentImages, planOf } from '../../data/augment.ts';
import { fromJSON } from '../../data/preprocess.ts';
import { checkTransform, Pipeline, type Transform } from '../../data/transform.ts';
import { CheckpointError, OptionError, ShapeError } from '../../errors.ts';
import { parseJson } from '../../io/json.ts';
import { Tensor } from '../../ir/graph.ts';
import { show } from '../../options/index.ts';
import type { Tensors } from './source.ts';

/** Transforms by the name of the array they are for. */
export type Transforms = Readonly<Record<string, Transform>>;

/** What option `preprocess` may be: for each array a transform, or several that apply in order. */
export type PreprocessOption = Readonly<Record<string, Transform | readonly Transform[]>>;

/** @throws OptionError for what is no transform, or one that was not fitted */
export function checkPreprocess(option: PreprocessOption = {}): Transforms {
  if (typeof option !== 'object' || option === null || Array.isArray(option)) {
    throw new OptionError(`Trainer: option preprocess: expected transforms by the names of arrays, got ${show(option)}`);
  }
  const entries = Object.entries(option).map(([name, given]) => {
    const where = `Trainer: option preprocess: ${name}`;
    const steps = (Array.isArray(given) ? given : [given]).map((t) => checkTransform(where, t));
    return [name, steps.length === 1 ? steps[0]! : new Pipeline(steps)] as const;
  });
  return Object.fromEntries(entries);
}

type Changes = Augmentation | readonly Augmentation[];

/** What option `augment` may be: changes of array x, or of arrays by their names. */
export type AugmentOption = Changes | Readonly<Record<string, Changes>>;

/** Changes by the name of the array they are for. */
export type Plans = Readonly<Record<string, AugmentPlan>>;

/** @throws OptionError for what is no change of images, or says the same twice */
export function checkAugmentation(option: AugmentOption = {}): Plans {
  const where = 'Trainer: option augment';
  const byName = typeof option === 'object' && option !== null && !Array.isArray(option) && !('options' in option);
  const named = byName ? (option as Readonly<Record<string, Changes>>) : { x: option as Changes };
  return Object.fromEntries(Object.entries(named).map(([name, changes]) => [name, planOf(`${where}: ${name}`, changes)]));
}

/** @throws OptionError if the batch lacks an array that something is to be done to, and `all` are wanted */
export function prepare(batch: Tensors, plans: Plans, transforms: Transforms, all: boolean): Tensors {
  const prepared: Record<string, Tensor> = { ...batch };
  const each = <T>(
    option: string,
    given: Readonly<Record<string, T>>,
    change: (t: Tensor, how: T, name: string) => Tensor,
  ): void => {
    for (const [name, how] of Object.entries(given)) {
      if (Object.hasOwn(prepared, name)) prepared[name] = change(prepared[name]!, how, name);
      else if (all) {
        throw new OptionError(`${option}: no array has the name ${name}; the batch has ${Object.keys(batch).join(', ')}`, {
          name,
        });
      }
    }
  };
  each('augment', plans, augmentImages);
  each('preprocess', transforms, transformed);
  return prepared;
}

/** A prediction of what the loss compares with `y`, in the units that `y` came in. */
export function inUnits(prediction: Tensor, { y }: Transforms): Tensor {
  if (!y) return prediction;
  const remedy = '; option predict of the trainer gives predictions of the shape that y has: ops.reshape(outputs, [-1])';
  const given = ofArray('y', remedy, () => y.buildInverse(prediction));
  return rowsOf(`preprocess: ${y.type}: buildInverse`, prediction, given);
}

const transformed = (t: Tensor, transform: Transform, name: string): Tensor =>
  rowsOf(
    `preprocess: ${transform.type}: build`,
    t,
    ofArray(name, '', () => transform.build(t)),
  );

/** What a transform makes of an array. @throws ShapeError that names it */
function ofArray(name: string, remedy: string, make: () => Tensor): Tensor {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    throw new ShapeError(`preprocess: ${name}: ${error.message}${remedy}`, { ...error.details, name });
  }
}

/** What was made of rows, if it is as many rows. @throws OptionError */
function rowsOf(where: string, before: Tensor, after: unknown): Tensor {
  const rows = before.shape[0];
  if (after instanceof Tensor && after.shape[0] === rows) return after;
  throw new OptionError(`${where}: expected a tensor of ${rows} rows, got ${after instanceof Tensor ? after : show(after)}`);
}

/** Key of a file's metadata. */
const KEY = 'gradclip.preprocess';

export function preprocessMetadata(transforms: Transforms): Record<string, string> {
  return Object.keys(transforms).length > 0 ? { [KEY]: JSON.stringify(transforms) } : {};
}

/**
 * The transforms that a file was saved with, null if there is nothing of them.
 * @param own transforms that there are: one that gives the same JSON is taken, which `fromJSON` may not know
 * @throws CheckpointError if they cannot be read
 */
export function preprocessOf(file: string, metadata: Readonly<Record<string, string>>, own: Transforms): Transforms | null {
  const text = metadata[KEY];
  if (text === undefined) return null;
  try {
    const json = parseJson(text) as Record<string, unknown>;
    const same = (name: string, t: unknown): boolean => JSON.stringify(own[name]) === JSON.stringify(t);
    return Object.fromEntries(Object.entries(json).map(([name, t]) => [name, same(name, t) ? own[name]! : fromJSON(t)]));
  } catch (cause) {
    throw new CheckpointError(`load: ${file}: its transforms cannot be read: ${(cause as Error).message}`, { file }, { cause });
  }
}

// trained.ts: what `gradclip train` has written, in a program.
import { file } from '../io/fields.ts';
import type { Module } from '../nn/module/module.ts';
import { signature } from '../options/index.ts';
import type { Trainer } from '../train/trainer.ts';

const readLoadTrainer = signature('loadTrainer', { file });

/**
 * The trainer of a model that `gradclip train` has written: its model, loss, optimizer, policy and preprocessing, at the step where it was saved.
 * `predict` gives probabilities of classes, or of the one class, or values in their units; of a table it takes rows with names. Of a text it gives
 * probabilities of the token after each, and `generate` writes with it; the tokens are in the file's metadata, for `tokenizer.fromJSON`.
 *
 * ```ts
 * using trainer = await loadTrainer('people.safetensors');
 * const [{ class: income, scores }] = await trainer.predict([{ age: 41, town: 'Bonn' }]);
 * ```
 *
 * It computes with the weights that were trained, as all trainers do. Where key `ema` of the training kept their averages, `{ weights: 'ema' }` takes
 * these, as `gradclip predict` does.
 * @param file a checkpoint that `gradclip train` has saved
 * @throws (rejects) OptionError; DataError for what is no file of tensors; CheckpointError for one that `gradclip train` has not written, or whose
 * version did not keep the shape of images
 * @see gradclip `gradclip predict` does the same with the rows of a file
 */
export async function loadTrainer(file: string): Promise<Trainer<Module, string>> {
  readLoadTrainer(arguments);
  // Configurations are for who asks for one: importing the library reads none of it.
  const { loadTrained } = await import('../cli/config/load.ts');
  return loadTrained(file);
}

// load.ts: the trainer that `gradclip train` has trained, in a program: as its configuration describes it, with the weights and all that is beside them.
import { fromJSON, type Tokenizer } from '../../data/tokenizer.ts';
import { CheckpointError, OptionError, ShapeError } from '../../errors.ts';
import { inspectSafetensors } from '../../io/arrays/safetensors.ts';
import { parseJson } from '../../io/json.ts';
import type { Module } from '../../nn/module/module.ts';
import { sigmoid } from '../../ops/elementwise/activation.ts';
import { softmax } from '../../ops/reduce/softmax.ts';
import { preprocessOf, type Transforms } from '../../train/feed/prepare.ts';
import { schemaOf } from '../../train/feed/records.ts';
import { rows } from '../../train/feed/source.ts';
import { Trainer } from '../../train/trainer.ts';
import { makeTask } from './build.ts';
import { checkConfig, OF_A_GROUP, type TrainConfig } from './config.ts';
import type { DataSet } from './data.ts';
import { preparedRow, rowIn } from './trained.ts';
import { optionsOf } from './trainer.ts';

/**
 * A trainer of what was trained. Its predictions are probabilities of classes, or of the one class, or values in their units; of a text,
 * probabilities of the token after each.
 * @throws CheckpointError for what `gradclip train` has not written
 */
export async function loadTrained(file: string): Promise<Trainer<Module, string>> {
  const { metadata } = await inspectSafetensors(file);
  const config = configIn(file, metadata);
  const preprocess = preprocessOf(file, metadata, {}) ?? {};
  const classNames = metadata.classes === undefined ? null : (parseJson(metadata.classes) as readonly string[]);
  const reads =
    config.data.type === 'text'
      ? { row: [], tokenizer: tokenizerIn(file, metadata), length: config.data.length }
      : { row: rowOf(file, config, metadata, preprocess), tokenizer: null, length: null };
  const data = likeTrained(config, preprocess, reads, classNames);
  const task = makeTask({ ...config, classWeights: config.classWeights === 'balanced' ? null : config.classWeights }, data);
  const trainer = new Trainer({
    ...optionsOf(config, preprocess, 0),
    ...task,
    predict(batch, model) {
      const outputs = task.predict(batch, model);
      if (config.loss === 'crossEntropy') return softmax(outputs);
      return config.loss === 'bceWithLogits' ? sigmoid(outputs) : outputs;
    },
  });
  try {
    await trainer.load(file);
    return trainer;
  } catch (error) {
    trainer.dispose();
    throw error;
  }
}

/** Files that a training writes, and what is sought for it. */
const NOT_OF_A_MODEL: ReadonlySet<string> = new Set([
  ...['record', 'checkpoint', 'resume', 'save', 'savePruned', 'tune'],
  ...OF_A_GROUP,
]);
const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

function configIn(file: string, { config: text }: Readonly<Record<string, string>>): TrainConfig {
  try {
    const json = parseJson(text ?? '{}', true) as Record<string, unknown>;
    // Of what was read an empty list is what was not given.
    const given = Object.entries(json).filter(([key, value]) => !(NOT_OF_A_MODEL.has(key) || isEmpty(value)));
    const config = checkConfig(Object.fromEntries(given));
    return config;
  } catch (cause) {
    const message = `${file}: expected what gradclip train writes: ${(cause as Error).message}`;
    throw new CheckpointError(message, { file }, { cause });
  }
}

function tokenizerIn(file: string, { tokenizer: text }: Readonly<Record<string, string>>): Tokenizer {
  try {
    return fromJSON(parseJson(text ?? 'null'));
  } catch (cause) {
    throw new CheckpointError(`${file}: its tokenizer cannot be read: ${(cause as Error).message}`, { file }, { cause });
  }
}

/** Shape of a row as the model reads it. */
function rowOf(
  file: string,
  { model, data }: TrainConfig,
  metadata: Readonly<Record<string, string>>,
  transforms: Transforms,
): readonly number[] {
  const schema = schemaOf(transforms);
  if (schema) return [schema.outputs.length];
  const known = rowIn(file, metadata);
  if (known !== null) {
    try {
      return preparedRow(known, transforms);
    } catch (cause) {
      if (!(cause instanceof ShapeError || cause instanceof OptionError)) throw cause;
      throw new CheckpointError(`${file}: its transforms do not take its rows: ${cause.message}`, { file }, { cause });
    }
  }
  // Of a version that did not keep it.
  if (model.type === 'mlp' && model.sizes) return [model.sizes[0]!];
  if (model.type === 'ncf') return [2];
  if (data.type === 'csv' && data.shape) return data.shape;
  const hint = 'it is of a version that did not keep the shape of its rows, and its configuration does not name it';
  throw new CheckpointError(`${file}: ${hint}: train again, or make the trainer and load the file`, { file });
}

/** As a data set describes a model. */
function likeTrained(
  config: TrainConfig,
  preprocess: Transforms,
  reads: { readonly row: readonly number[]; readonly tokenizer: Tokenizer | null; readonly length: number | null },
  classNames: DataSet['classNames'],
): DataSet {
  return {
    sources: { train: rows({ x: [0] }), validation: null, test: null },
    counts: { train: 0, validation: 0, test: 0 },
    ...reads,
    ...{ preprocess, classNames, tokens: reads.tokenizer?.size ?? null, classes: null, unknown: [] },
    weighted: config.data.type !== 'idx' && config.data.type !== 'text' && config.data.weight !== null,
    outputs: classNames?.length ?? reads.tokenizer?.size ?? 1,
  };
}

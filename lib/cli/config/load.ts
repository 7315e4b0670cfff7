// load.ts: the trainer that `gradclip train` has trained, in a program: as its configuration describes it, with the weights and all that is beside them.
import { CheckpointError, OptionError } from '../../errors.ts';
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
import { checkConfig, type TrainConfig } from './config.ts';
import type { DataSet } from './data.ts';
import { optionsOf } from './trainer.ts';

/**
 * A trainer of a model of rows. Its predictions are probabilities of classes, or of the one class, or values in their units.
 * @throws CheckpointError for what `gradclip train` has not written, or of a text
 */
export async function loadTrained(file: string): Promise<Trainer<Module, string>> {
  const { metadata } = await inspectSafetensors(file);
  const config = configIn(file, metadata);
  const preprocess = preprocessOf(file, metadata, {}) ?? {};
  const classNames = metadata.classes === undefined ? null : (parseJson(metadata.classes) as readonly string[]);
  const data = likeTrained(config, preprocess, rowOf(file, config, preprocess), classNames);
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
const NOT_OF_A_MODEL: ReadonlySet<string> = new Set(['record', 'checkpoint', 'resume', 'save', 'savePruned', 'tune']);
const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

function configIn(file: string, { config: text }: Readonly<Record<string, string>>): TrainConfig {
  try {
    const json = parseJson(text ?? '{}', true) as Record<string, unknown>;
    // Of what was read an empty list is what was not given.
    const given = Object.entries(json).filter(([key, value]) => !(NOT_OF_A_MODEL.has(key) || isEmpty(value)));
    const config = checkConfig(Object.fromEntries(given));
    if (config.data.type === 'text') throw new OptionError('a model of a text, which gradclip sample writes with');
    return config;
  } catch (cause) {
    const message = `${file}: expected what gradclip train writes of rows: ${(cause as Error).message}`;
    throw new CheckpointError(message, { file }, { cause });
  }
}

/** Shape of a row as the model reads it. */
function rowOf(file: string, { model, data }: TrainConfig, transforms: Transforms): readonly number[] {
  const schema = schemaOf(transforms);
  if (schema) return [schema.outputs.length];
  if (model.type === 'mlp' && model.sizes) return [model.sizes[0]!];
  if (model.type === 'ncf') return [2];
  if (data.type === 'csv' && data.shape) return data.shape;
  throw new CheckpointError(`${file}: its configuration does not name the shape of its images`, { file });
}

/** As a data set describes a model. */
function likeTrained(
  config: TrainConfig,
  preprocess: Transforms,
  row: readonly number[],
  classNames: DataSet['classNames'],
): DataSet {
  return {
    sources: { train: rows({ x: [0] }), validation: null, test: null },
    counts: { train: 0, validation: 0, test: 0 },
    ...{ row, preprocess, classNames, tokens: null, length: null, tokenizer: null, classes: null, unknown: [] },
    weighted: config.data.type !== 'idx' && config.data.type !== 'text' && config.data.weight !== null,
    outputs: classNames?.length ?? 1,
  };
}

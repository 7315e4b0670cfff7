// hugging-face.ts: folders of a GPT-2 as Hugging Face keeps it: configurations and weights that are not what they should be.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GPT } from '../../../lib/models/index.ts';
import type { Random } from '../../torture/random.ts';
import { damaged } from '../make/damaged.ts';
import { changedJson, written } from '../make/json.ts';
import { data } from '../make/parts.ts';
import { changedWeights } from '../make/weights.ts';
import type { Drawn, Input, Reader } from '../spec.ts';
import { limitOf } from './limits.ts';

/** Of the checkout, where the fuzzer is started. */
const GOLDEN = resolve('test/golden/models');
const bases = ['gpt2', 'gpt2-other', 'gpt2-erf'].map((name) => ({
  config: readFileSync(join(GOLDEN, name, 'config.json')),
  weights: readFileSync(join(GOLDEN, name, 'model.safetensors')),
}));

function draw(r: Random): Drawn {
  const { config, weights } = r.pick(bases);
  const files = (one: Uint8Array, other: Uint8Array): Drawn => ({
    files: { 'config.json': one, 'model.safetensors': other },
    options: {},
  });
  const kind = r.unit();
  if (kind < 0.1) return { ...files(config, weights), expects: true };
  const json: unknown = JSON.parse(config.toString());
  if (kind < 0.5) return files(Buffer.from(written(changedJson(r, json))), weights);
  if (kind < 0.6) return files(damaged(r, [data(config)]), weights);
  return files(config, changedWeights(r, weights));
}

function ways({ options }: Input, folder: string): ReturnType<Reader['ways']> {
  const read = async (): Promise<unknown> => {
    const model = await GPT.fromHuggingFace(folder, limitOf(options));
    return model.parameters().every((p) => p.data.length > 0);
  };
  return [{ name: 'GPT.fromHuggingFace', run: read }];
}

export const HUGGING_FACE: Reader = {
  covers: ['models.GPT.fromHuggingFace'],
  reaches: ['models/gpt2-config.ts', 'models/gpt2-weights.ts', 'io/json-file.ts'],
  draw,
  ways,
};

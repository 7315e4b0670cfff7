// gpt2-config.ts: config.json of a GPT-2 as Hugging Face keeps it: what of it our GPT computes, and what it does not.
import { join } from 'node:path';
import { CheckpointError } from '../errors.ts';
import { weightsBytes } from '../io/fields.ts';
import type { ReadOptions } from '../io/file/file.ts';
import { readJson } from '../io/json-file.ts';
import { rate } from '../ops/args.ts';
import { list, type OptionsField, options, show, text } from '../options/index.ts';

/** Options of `models.GPT.fromHuggingFace`. */
export interface HuggingFaceOptions extends ReadOptions {
  /** Of embeddings, attention weights and what each block adds. Default: the rate that the configuration has for all three. */
  readonly dropout?: number;
  /** Keys of the configuration that do not matter, though they are not known here. Default []. */
  readonly ignore?: readonly string[];
}

interface Given {
  readonly dropout: number | undefined;
  readonly ignore: readonly string[];
  readonly maxBytes: number;
}
export const huggingFaceOptions: OptionsField<HuggingFaceOptions, Given> = options<HuggingFaceOptions>()({
  dropout: rate.optional(),
  ignore: list(text).default([]),
  maxBytes: weightsBytes,
});

/** What a model is made of. */
export interface Gpt2 {
  readonly vocabulary: number;
  readonly context: number;
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  readonly hidden: number;
  readonly dropout: number;
  readonly activation: 'gelu' | 'geluTanh' | 'relu' | 'silu' | 'tanh';
  readonly eps: number;
}

const ACTIVATIONS: Readonly<Record<string, Gpt2['activation']>> = {
  ...{ gelu_new: 'geluTanh', gelu_pytorch_tanh: 'geluTanh', gelu_fast: 'geluTanh', gelu: 'gelu', gelu_python: 'gelu' },
  ...{ relu: 'relu', silu: 'silu', swish: 'silu', tanh: 'tanh' },
};

/** Keys that change what is computed, with the value that is computed here. */
const FIXED: Readonly<Record<string, unknown>> = {
  ...{ model_type: 'gpt2', scale_attn_weights: true, scale_attn_by_inverse_layer_idx: false, add_cross_attention: false },
  ...{ tie_word_embeddings: true, is_encoder_decoder: false, tie_encoder_decoder: false, chunk_size_feed_forward: 0 },
  ...{ quantization_config: null, cross_attention_hidden_size: null },
};

/** Those that are read, and those that do not change it: who made it, how it was trained, how texts are drawn from it, what heads of other tasks have. */
const READ =
  /^(vocab_size|n_positions|n_ctx|n_embd|n_layer|n_head|n_inner|activation_function|layer_norm_epsilon|(resid|embd|attn)_pdrop)$/;
const NEUTRAL =
  /^_|^summary_|_token_ids?$|^(num_)?(labels|id2label|label2id|beams|beam_groups|return_sequences)$|^(min|max)(_new)?_(length|tokens)$|^(no_repeat|encoder_no_repeat)_ngram_size$/;
const NEUTRAL_KEYS: ReadonlySet<string> = new Set([
  ...['architectures', 'name_or_path', 'transformers_version', 'torch_dtype', 'dtype', 'initializer_range', 'use_cache'],
  ...['gradient_checkpointing', 'reorder_and_upcast_attn', 'task_specific_params', 'problem_type', 'finetuning_task', 'prefix'],
  ...['output_attentions', 'output_hidden_states', 'output_scores', 'return_dict', 'return_dict_in_generate', 'torchscript'],
  ...['tokenizer_class', 'is_decoder', 'use_bfloat16', 'pruned_heads', 'predict_special_tokens', 'do_sample', 'early_stopping'],
  ...[
    'temperature',
    'top_k',
    'top_p',
    'typical_p',
    'repetition_penalty',
    'length_penalty',
    'diversity_penalty',
    'tf_legacy_loss',
  ],
  ...['bad_words_ids', 'remove_invalid_values', 'exponential_decay_length_penalty', 'suppress_tokens', 'begin_suppress_tokens'],
]);

/** @throws DataError for a file that is missing or no JSON; CheckpointError that names the key */
export async function readGpt2Config(folder: string, { dropout, ignore }: Given): Promise<Gpt2> {
  const file = join(folder, 'config.json');
  const config = await readJson(file);
  const refuse = (key: string, why: string): CheckpointError =>
    new CheckpointError(`models.GPT.fromHuggingFace: ${file}: ${show(key)}: ${why}`, { file, key });
  if (Object.prototype.toString.call(config) !== '[object Object]') {
    throw new CheckpointError(`models.GPT.fromHuggingFace: ${file}: expected an object, got ${show(config)}`, { file });
  }
  const all = config as Readonly<Record<string, unknown>>;
  const value = (key: string): unknown => (Object.hasOwn(all, key) ? all[key] : undefined);
  for (const [key, given] of Object.entries(all)) {
    if (ignore.includes(key) || READ.test(key)) continue;
    if (Object.hasOwn(FIXED, key)) {
      if (given !== null && given !== FIXED[key]) {
        const only = FIXED[key] === null ? 'without it' : `with ${show(FIXED[key])}`;
        throw refuse(key, `got ${show(given)}, and this model computes ${only} alone`);
      }
    } else if (!NEUTRAL_KEYS.has(key) && !NEUTRAL.test(key)) {
      throw refuse(key, 'what it changes is not known here; if it does not matter, name it in option ignore');
    }
  }
  const whole = (key: string, otherwise?: unknown): number => {
    const given = value(key) ?? otherwise;
    if (!Number.isSafeInteger(given) || (given as number) < 1)
      throw refuse(key, `expected a whole number >= 1, got ${show(given)}`);
    return given as number;
  };
  const [width, heads, layers] = [whole('n_embd'), whole('n_head'), whole('n_layer')];
  if (width % heads !== 0) throw refuse('n_head', `expected a divisor of n_embd, ${width}, got ${heads}`);
  const named = value('activation_function') ?? 'gelu_new';
  const activation = typeof named === 'string' && Object.hasOwn(ACTIVATIONS, named) ? ACTIVATIONS[named]! : null;
  if (!activation)
    throw refuse('activation_function', `expected one of ${Object.keys(ACTIVATIONS).join(', ')}, got ${show(named)}`);
  const eps = value('layer_norm_epsilon') ?? 1e-5;
  if (typeof eps !== 'number' || !(eps > 0)) throw refuse('layer_norm_epsilon', `expected a number > 0, got ${show(eps)}`);
  const rates = ['resid_pdrop', 'embd_pdrop', 'attn_pdrop'].map((key) => ({ key, p: value(key) ?? 0.1 }));
  const other = rates.find(({ p }) => typeof p !== 'number' || !(p >= 0 && p < 1) || p !== rates[0]!.p);
  if (dropout === undefined && other) {
    throw refuse(
      other.key,
      `expected one rate from 0 to below 1 in ${rates.map(({ key }) => key).join(', ')}, got ${show(other.p)}: give option dropout`,
    );
  }
  return {
    vocabulary: whole('vocab_size'),
    context: whole('n_positions', value('n_ctx')),
    ...{ layers, heads, width, activation, eps },
    hidden: whole('n_inner', 4 * width),
    dropout: dropout ?? (rates[0]!.p as number),
  };
}

// gpt2-weights.ts: the weights of a GPT-2 as Hugging Face keeps them, by the names that our GPT has.
import { join } from 'node:path';
import { CheckpointError, DataError } from '../errors.ts';
import { readTensors } from '../io/arrays/safetensors-shards.ts';
import { transposed } from '../io/arrays/transpose.ts';
import type { TensorData } from '../io/file/file.ts';
import { inTurns } from '../io/file/pace.ts';
import { sameShape, sizeOf, typeName } from '../ir/op.ts';
import type { Gpt2 } from './gpt2-config.ts';

const WHERE = 'models.GPT.fromHuggingFace';
const FILES = ['model.safetensors', 'model.safetensors.index.json'];

/** Of a block: ours by theirs. Linear layers are Conv1D there, whose weight is [in, out]. */
const BLOCK: Readonly<Record<string, string>> = {
  ...{ ln_1: 'norm1', 'attn.c_attn': 'qkv', 'attn.c_proj': 'proj', ln_2: 'norm2', 'mlp.c_fc': 'mlp.0', 'mlp.c_proj': 'mlp.2' },
};
const WHOLE: Readonly<Record<string, string>> = { wte: 'embedding', wpe: 'positions', ln_f: 'norm' };
const HEAD = 'lm_head.weight';
/** The mask of causal attention, which old versions kept. */
const MASKS = /^h\.\d+\.attn\.(bias|masked_bias)$/;

/** Gives the values of a parameter. */
type Values = (name: string) => TensorData['data'];

/**
 * Everything is checked before any model is made: a folder of strangers may say anything of its size.
 * @throws DataError for files that are missing or malformed; CheckpointError for weights that are not those of the model
 */
export async function readGpt2Weights(folder: string, config: Gpt2, maxBytes: number): Promise<Values> {
  const { file, tensors, unread } = await readEither(folder, maxBytes);
  const refuse = (why: string): CheckpointError => new CheckpointError(`${WHERE}: ${file}: ${why}`, { file });
  const found = new Map<string, TensorData>();
  const bare = (name: string): string => name.replace(/^transformer\./, '');
  const wrong: string[] = [];
  const shapes = shapesOf(config, tensors.size);
  if (!shapes) throw refuse(`expected ${config.layers} blocks (n_layer), got ${tensors.size} tensors in all`);
  for (const [from, error] of unread) if (!MASKS.test(bare(from))) throw error;
  for (const [from, t] of tensors) {
    const theirs = bare(from);
    if (theirs === HEAD || MASKS.test(theirs)) continue;
    const name = oursOf(theirs);
    const wanted = name === null ? undefined : shapes.get(name);
    if (name === null || !wanted) wrong.push(`extra ${from}`);
    else if (found.has(name)) wrong.push(`${from} twice, with and without transformer.`);
    else {
      const lies = isLinear(theirs) ? [...wanted].reverse() : wanted;
      if (t.dtype !== 'f32' || !sameShape(t.shape, lies)) {
        wrong.push(`${from}: expected ${typeName({ dtype: 'f32', shape: lies })}, got ${typeName(t)}`);
      }
      found.set(name, t);
    }
  }
  const missing = [...shapes.keys()].filter((name) => !found.has(name));
  if (missing.length > 0)
    wrong.push(`missing ${missing.slice(0, MOST).map(theirsOf).join(', ')}${missing.length > MOST ? ', ...' : ''}`);
  if (wrong.length > 0) throw refuse(wrong.slice(0, MOST).join('; '));
  const [head, table] = [tensors.get(HEAD), found.get('embedding.weight')!];
  if (head && !(sameShape(head.shape, table.shape) && head.data.every((v, i) => Object.is(v, table.data[i])))) {
    throw refuse(`${HEAD}: expected the values of wte.weight, to which this model's head is tied`);
  }
  for (const [name, t] of found) if (isLinear(theirsOf(name))) found.set(name, await inTurns(transposed(t)));
  return (name) => found.get(name)!.data;
}

/** Names in one error. */
const MOST = 10;

async function readEither(folder: string, maxBytes: number): Promise<Awaited<ReturnType<typeof readTensors>> & { file: string }> {
  for (const name of FILES) {
    const file = join(folder, name);
    try {
      return { file, ...(await readTensors(file, maxBytes)) };
    } catch (error) {
      const lost = error instanceof DataError && error.details.code === 'ENOENT' && error.details.file === file;
      if (!lost) throw error;
    }
  }
  const text = `${WHERE}: ${folder}: expected ${FILES.join(' or ')}, there is none; pytorch_model.bin is for Python: save_pretrained writes these`;
  throw new DataError(text, { file: folder, code: 'ENOENT' });
}

/** Of all parameters by our names; null where the file has too few tensors for so many blocks. */
function shapesOf({ vocabulary, context, layers, width, hidden }: Gpt2, tensors: number): Map<string, readonly number[]> | null {
  if (12 * layers > tensors || ![vocabulary, context, 3 * width, hidden].every((n) => Number.isSafeInteger(sizeOf([n, width]))))
    return null;
  const layer = (name: string, out: number, inputs: number): [string, number[]][] => [
    [`${name}.weight`, [out, inputs]],
    [`${name}.bias`, [out]],
  ];
  const norm = (name: string): [string, number[]][] => [
    [`${name}.weight`, [width]],
    [`${name}.bias`, [width]],
  ];
  const blocks = Array.from({ length: layers }, (_, i) => [
    ...norm(`blocks.${i}.norm1`),
    ...layer(`blocks.${i}.qkv`, 3 * width, width),
    ...layer(`blocks.${i}.proj`, width, width),
    ...norm(`blocks.${i}.norm2`),
    ...layer(`blocks.${i}.mlp.0`, hidden, width),
    ...layer(`blocks.${i}.mlp.2`, width, hidden),
  ]);
  return new Map([
    ['embedding.weight', [vocabulary, width]],
    ['positions.weight', [context, width]],
    ...blocks.flat(),
    ...norm('norm'),
  ]);
}

function oursOf(name: string): string | null {
  const [, block, layer, what] = /^(?:h\.(\d{1,5})\.)?(.+)\.(weight|bias)$/.exec(name) ?? [];
  if (layer === undefined) return null;
  const ours = block === undefined ? WHOLE : BLOCK;
  return Object.hasOwn(ours, layer) ? `${block === undefined ? '' : `blocks.${block}.`}${ours[layer]}.${what}` : null;
}

function theirsOf(name: string): string {
  const [, block, layer, what] = /^(?:blocks\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
  const theirs = Object.entries(block === undefined ? WHOLE : BLOCK).find(([, ours]) => ours === layer)![0];
  return `${block === undefined ? '' : `h.${block}.`}${theirs}.${what}`;
}

const isLinear = (theirs: string): boolean => /\.c_\w+\.weight$/.test(theirs);

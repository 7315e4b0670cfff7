// gpt2.test.ts: GPT-2s in the layout of Hugging Face give the logits of PyTorch; what our GPT does not compute is refused by name.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointError, DataError, generate, io, models, OptionError, optim, Trainer } from '../../../lib/index.ts';

const here = import.meta.dirname;
const folder = mkdtempSync(join(tmpdir(), 'gradclip-gpt2-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const copyOf = (name: string): string => {
  const to = join(folder, String(count++));
  cpSync(join(here, name), to, { recursive: true });
  return to;
};
const trainerOf = (model: models.GPT): Trainer<models.GPT, never, string, 'f32'> =>
  new Trainer({ model, loss: models.gptLoss, optimizer: optim.sgd({ lr: 0.1 }) }) as never;

function difference(path: string, model: models.GPT): number {
  const { tokens, shape, data } = JSON.parse(readFileSync(join(path, 'logits.json'), 'utf8')) as {
    readonly tokens: number[][];
    readonly shape: number[];
    readonly data: number[];
  };
  const found = trainerOf(model).predictSync(tokens);
  expect(found.shape).toEqual(shape);
  return data.reduce((most, v, i) => Math.max(most, Math.abs(v - found.data[i]!) / Math.max(1, Math.abs(v))), 0);
}

type Tensors = io.Safetensors['tensors'];
type Change = (tensors: Tensors) => unknown;
async function rewritten(name: string, change: Change): Promise<string> {
  const path = copyOf(name);
  const file = join(path, 'model.safetensors');
  const { tensors, metadata } = await io.readSafetensors(file);
  change(tensors);
  await io.writeSafetensors(file, tensors, metadata);
  return path;
}
function configured(name: string, changes: object): string {
  const path = copyOf(name);
  const config = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as object;
  writeFileSync(join(path, 'config.json'), JSON.stringify({ ...config, ...changes }));
  return path;
}

describe('logits of PyTorch', () => {
  it.each(['gpt2', 'gpt2-other', 'gpt2-erf'])('%s', async (name) => {
    const model = await models.GPT.fromHuggingFace(join(here, name));
    expect(difference(join(here, name), model)).toBeLessThan(1e-5);
  });

  it('of another activation they are others', async () => {
    for (const activation_function of ['gelu', 'relu', 'silu', 'tanh']) {
      const path = configured('gpt2', { activation_function });
      expect(difference(path, await models.GPT.fromHuggingFace(path))).toBeGreaterThan(1e-4);
    }
    const path = configured('gpt2', { activation_function: 'gelu_pytorch_tanh' });
    expect(difference(path, await models.GPT.fromHuggingFace(path))).toBeLessThan(1e-5);
  });

  it('in several files with an index', async () => {
    const path = copyOf('gpt2');
    const { tensors } = await io.readSafetensors(join(path, 'model.safetensors'));
    rmSync(join(path, 'model.safetensors'));
    const all = [...tensors];
    const shards = [all.slice(0, 9), all.slice(9)];
    for (const [i, part] of shards.entries()) await io.writeSafetensors(join(path, `${i}.safetensors`), new Map(part));
    const map = Object.fromEntries(shards.flatMap((part, i) => part.map(([name]) => [name, `${i}.safetensors`])));
    writeFileSync(join(path, 'model.safetensors.index.json'), JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }));
    expect(difference(path, await models.GPT.fromHuggingFace(path))).toBeLessThan(1e-5);
    rmSync(join(path, '1.safetensors'));
    await expect(models.GPT.fromHuggingFace(path)).rejects.toThrow(/1\.safetensors: no such file/);
  });

  it('is a model like others: trains, writes, is saved', async () => {
    const model = await models.GPT.fromHuggingFace(join(here, 'gpt2'), { dropout: 0 });
    expect(model.dropout.p).toBe(0);
    const trainer = trainerOf(model);
    const x = Int32Array.from({ length: 32 }, (_, i) => i % 11);
    const data = { x: { data: x, shape: [4, 8] }, y: { data: x.map((v) => (v + 1) % 11), shape: [4, 8] } };
    const before = trainer.evaluateSync(data).loss;
    await trainer.fit(data, { steps: 30 });
    expect(trainer.evaluateSync(data).loss).toBeLessThan(before);
    expect(await generate(trainer, { prompt: [1, 2], length: 3, temperature: 0 })).toHaveLength(3);
    const other = await models.GPT.fromHuggingFace(join(here, 'gpt2'));
    expect(other.dropout.p).toBe(0.1);
    await trainerOf(other).load(await trainer.save({ weightsOnly: true }));
  });
});

describe('what is refused, by name', () => {
  it.each([
    ['another model', { model_type: 'llama' }, /"model_type": got "llama", and this model computes with "gpt2" alone/],
    ['another scale', { scale_attn_by_inverse_layer_idx: true }, /"scale_attn_by_inverse_layer_idx": got true/],
    ['no scale', { scale_attn_weights: false }, /"scale_attn_weights": got false/],
    ['an untied head', { tie_word_embeddings: false }, /"tie_word_embeddings": got false/],
    ['cross attention', { add_cross_attention: true }, /"add_cross_attention"/],
    [
      'quantized weights',
      { quantization_config: { bits: 4 } },
      /"quantization_config": got an object, and this model computes without it/,
    ],
    ['another activation', { activation_function: 'mish' }, /"activation_function": expected one of gelu_new, .*, got "mish"/],
    ['one of a prototype', { activation_function: 'constructor' }, /"activation_function": expected one of/],
    ['what is not known', { rope_scaling: { factor: 2 } }, /"rope_scaling": what it changes is not known here; .* option ignore/],
    ['heads that do not divide', { n_head: 3 }, /"n_head": expected a divisor of n_embd, 8, got 3/],
    ['no width', { n_embd: undefined }, /"n_embd": expected a whole number >= 1, got undefined/],
    ['a width that is none', { n_embd: '8' }, /"n_embd": expected a whole number >= 1, got "8"/],
    ['an epsilon of 0', { layer_norm_epsilon: 0 }, /"layer_norm_epsilon": expected a number > 0, got 0/],
    ['rates that differ', { attn_pdrop: 0 }, /"attn_pdrop": expected one rate .*: give option dropout/],
    ['more blocks than there are', { n_layer: 1e9 }, /expected 1000000000 blocks \(n_layer\), got \d+ tensors/],
    ['fewer blocks', { n_layer: 1 }, /extra h\.1\./],
    ['another width', { n_embd: 16 }, /h.0.attn.c_attn.weight: expected f32\[16,48\], got f32\[8,24\]/],
    ['a vocabulary beyond memory', { vocab_size: 2 ** 50 }, /./],
  ])('%s', async (_, changes, message) => {
    const path = configured('gpt2', changes);
    await expect(models.GPT.fromHuggingFace(path)).rejects.toThrow(CheckpointError);
    await expect(models.GPT.fromHuggingFace(path)).rejects.toThrow(message);
  });

  it('unless an option says what is meant', async () => {
    const path = configured('gpt2', { rope_scaling: { factor: 2 }, attn_pdrop: 0, trained_by: 'x' });
    const model = await models.GPT.fromHuggingFace(path, { dropout: 0.2, ignore: ['rope_scaling', 'trained_by'] });
    expect(difference(path, model)).toBeLessThan(1e-5);
    await expect(models.GPT.fromHuggingFace(path, { dropout: 2 })).rejects.toThrow(OptionError);
  });

  it.each([
    ['a weight that is missing', (t: Tensors): unknown => t.delete('h.1.mlp.c_fc.bias'), /missing h\.1\.mlp\.c_fc\.bias/],
    ['one too many', (t: Tensors): unknown => t.set('score.weight', t.get('wte.weight')!), /extra score\.weight/],
    [
      'one twice',
      (t: Tensors): unknown => t.set('transformer.wte.weight', t.get('wte.weight')!),
      /transformer\.wte\.weight twice/,
    ],
    [
      'another shape',
      (t: Tensors): unknown => t.set('ln_f.bias', t.get('h.0.attn.c_attn.bias')!),
      /ln_f\.bias: expected f32\[8\], got f32\[24\]/,
    ],
    [
      'a head of its own',
      (t: Tensors): unknown => t.set('lm_head.weight', { ...t.get('wte.weight')!, data: new Float32Array(88) }),
      /lm_head\.weight: expected the values of wte\.weight/,
    ],
  ] as const)('%s', async (_, change, message) => {
    const path = await rewritten('gpt2', change);
    await expect(models.GPT.fromHuggingFace(path)).rejects.toThrow(CheckpointError);
    await expect(models.GPT.fromHuggingFace(path)).rejects.toThrow(message);
  });

  it('files that are missing or something else', async () => {
    const path = copyOf('gpt2');
    rmSync(join(path, 'model.safetensors'));
    await expect(models.GPT.fromHuggingFace(path)).rejects.toThrow(
      /expected model.safetensors or model.safetensors.index.json, there is none/,
    );
    await expect(models.GPT.fromHuggingFace(folder)).rejects.toThrow(/config.json: no such file/);
    writeFileSync(join(path, 'config.json'), '[1]');
    await expect(models.GPT.fromHuggingFace(path)).rejects.toThrow(/expected an object, got an array of 1/);
    writeFileSync(join(path, 'config.json'), '{');
    await expect(models.GPT.fromHuggingFace(path)).rejects.toThrow(DataError);
    await expect(models.GPT.fromHuggingFace(3 as never)).rejects.toThrow(OptionError);
  });
});

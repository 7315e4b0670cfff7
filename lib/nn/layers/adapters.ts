// adapters.ts: low-rank adapters for the layers of a model: what a large model learns anew is little, and all else stays as it is.
import { OptionError } from '../../errors.ts';
import { either, instance, list, options, show, signature, suggestion } from '../../options/index.ts';
import { pattern } from '../fields.ts';
import { Module, matcher, type Parameter, type Pattern } from '../module/module.ts';
import { MultiheadAttention } from './attention.ts';
import { Linear } from './linear.ts';
import { Lora, type LoraTerms, loraTerms } from './lora.ts';

/** Options of `nn.lora`. */
export interface LoraOptions extends LoraTerms {
  /** Names of the layers that are adapted, such as `*.attention` or `blocks.*`: one pattern or several. Default: all that can be. */
  readonly match?: Pattern | readonly Pattern[];
}

/** What it adds to a weight [out, in], summed in f64. */
function deltaOf({ A, B, alpha, rank }: Lora): Float64Array {
  const [outs, ins] = [B.shape[0]!, A.shape[1]!];
  const [a, b, scale] = [A.data, B.data, alpha / rank];
  const sums = new Float64Array(outs * ins);
  for (let o = 0; o < outs; o++) {
    const row = sums.subarray(o * ins, (o + 1) * ins);
    for (let r = 0; r < rank; r++) {
      const factor = scale * b[o * rank + r]!;
      for (let i = 0; i < ins; i++) row[i]! += factor * a[r * ins + i]!;
    }
  }
  return sums;
}

/** A weight that can be adapted, and the field of its layer that its adapter stands in. */
type Place = 'lora' | 'in_proj_lora' | 'q_proj_lora' | 'k_proj_lora' | 'v_proj_lora';
interface Adaptable {
  readonly layer: Readonly<Record<Place, Lora | undefined>>;
  readonly place: Place;
  readonly weight: Parameter;
}

function* adaptablesOf(layer: Module): Iterable<Adaptable> {
  const at = (place: Place, weight: Parameter | null): Adaptable[] =>
    weight ? [{ layer: layer as unknown as Adaptable['layer'], place, weight }] : [];
  if (layer instanceof Linear) yield* at('lora', layer.weight);
  if (!(layer instanceof MultiheadAttention)) return;
  yield* at('in_proj_lora', layer.in_proj_weight);
  yield* at('q_proj_lora', layer.q_proj_weight);
  yield* at('k_proj_lora', layer.k_proj_weight);
  yield* at('v_proj_lora', layer.v_proj_weight);
}

/** Parameters of a model that `lora` has frozen. */
const frozen = new WeakMap<Module, readonly Parameter[]>();

const model = instance('a Module', Module);
const readLora = signature(
  'nn.lora',
  { model },
  options<LoraOptions>()({
    match: either(
      pattern.map((one) => [one]),
      list(pattern, { min: 1 }),
    ).optional(),
    ...loraTerms,
  }),
);

/**
 * Give layers of a model adapters (`nn.Linear`, and the projections of `nn.MultiheadAttention`), and freeze everything else: a trainer that is made then
 * trains the adapters alone, and holds gradients and moments of nothing else. The model gives what it gave until they are trained. Load the weights of the
 * model before or after; those of the adapters are called `fc1.lora.A`, `fc1.lora.B`.
 * ```ts
 * nn.lora(model, { match: 'blocks.*', rank: 8, alpha: 16 });
 * const trainer = new Trainer({ model, loss, optimizer: optim.adamw({ lr: 1e-3 }) });
 * ```
 * @returns the names of the weights that are adapted
 * @throws OptionError where nothing matches that can be adapted, or the model has adapters
 * @see Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models; get_peft_model of Hugging Face's peft
 */
export function lora(model: Module, options: LoraOptions = {}): string[] {
  const { match = ['*'], rank, alpha, dropout } = readLora(arguments);
  const all = [...model.namedModules()];
  if (all.some(([, m]) => m instanceof Lora))
    throw new OptionError('nn.lora: the model has adapters; nn.mergeLora adds them to its weights');
  const able = all.filter(([, m]) => [...adaptablesOf(m)].length > 0);
  const tests = match.map((one) => [one, matcher('nn.lora', one)] as const);
  for (const [one, test] of tests) {
    if (able.some(([name]) => test(name))) continue;
    const names = able.map(([name]) => name);
    const hint = names.length === 0 ? '' : `; there are ${names.slice(0, 8).join(', ')}${suggestion(String(one), names)}`;
    throw new OptionError(`nn.lora: option match: no layer that can be adapted has a name that matches ${show(one)}${hint}`, {
      option: 'match',
      names,
    });
  }
  const before = model.parameters().filter((p) => p.requiresGrad);
  const adapted = able.filter(([name]) => tests.some(([, test]) => test(name))).flatMap(([, m]) => [...adaptablesOf(m)]);
  for (const { weight } of adapted) {
    const owners = all.filter(([, m]) => Object.values(m).includes(weight)).map(([name]) => show(name));
    if (owners.length < 2) continue;
    throw new OptionError(
      `nn.lora: option match: the layers ${owners.join(' and ')} share a weight, which an adapter of one cannot change`,
      {
        option: 'match',
      },
    );
  }
  for (const { layer, place, weight } of adapted) {
    const [outs, ins] = weight.shape as [number, number];
    (layer as Record<Place, Lora>)[place] = new Lora(ins, outs, { rank, alpha, dropout });
  }
  for (const p of before) p.requiresGrad = false;
  frozen.set(model, before);
  const names = new Map([...model.namedParameters()].map(([name, p]) => [p, name]));
  return adapted.map(({ weight }) => names.get(weight)!);
}

const readMerge = signature('nn.mergeLora', { model });

/**
 * Add what adapters have learned to the weights of their layers, and take the adapters away: the model gives what it gave with them, but for rounding, at the
 * speed of before. What `nn.lora` has frozen is trained again. For trainers and predictors that are made then.
 * @returns the names of the weights that have changed
 * @throws OptionError where the model has no adapters; GraphError before they have values; BusyError while a `fit` of a trainer that has the weights is not done
 * @see Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models; merge_and_unload of Hugging Face's peft
 */
export function mergeLora(model: Module): string[] {
  readMerge(arguments);
  const adapted = [...model.namedModules()].flatMap(([, m]) => [...adaptablesOf(m)].filter(({ layer, place }) => layer[place]));
  if (adapted.length === 0) throw new OptionError('nn.mergeLora: the model has no adapters; nn.lora makes them');
  for (const { layer, place, weight } of adapted) {
    weight.data = deltaOf(layer[place]!).map((d, i) => weight.data[i]! + d);
    delete (layer as Partial<Record<Place, Lora>>)[place];
  }
  for (const p of frozen.get(model) ?? []) p.requiresGrad = true;
  frozen.delete(model);
  const names = new Map([...model.namedParameters()].map(([name, p]) => [p, name]));
  return adapted.map(({ weight }) => names.get(weight)!);
}

// shrink.ts: makes a program that fails smaller, as long as it fails in the same way: fewer layers, narrower ones, fewer rows and steps, a simpler
// policy, optimizer and loss, and a simpler way to run it.
import type { Failure, Lane } from './lane.ts';
import type { LayerSpec, Options, PolicySpec, ProgramSpec, Variant } from './spec.ts';
import { programOf } from './train.ts';
import { PLAIN, tailStep } from './variants.ts';

export interface Shrunk {
  readonly spec: ProgramSpec;
  readonly failure: Failure;
}

// A race does not show each time.
const TRIES = 2;
// Candidates run at most: each takes as long as a program.
const MOST = 400;

export async function shrink(lane: Lane, spec: ProgramSpec, failure: Failure): Promise<Shrunk> {
  let best: Shrunk = { spec, failure };
  let left = MOST;
  const fails = async (candidate: ProgramSpec, variant: Variant): Promise<Shrunk | null> => {
    if (!fits(candidate, variant)) return null;
    for (let k = 0; k < TRIES && left > 0; k++) {
      left--;
      const found = await lane.check(candidate, [variant]);
      if (found && likeness(found) === likeness(best.failure)) return { spec: candidate, failure: found };
    }
    return null;
  };
  const next = async (): Promise<Shrunk | null> => {
    const { spec: large, failure: of } = best;
    for (const candidate of smaller(large)) {
      const found = await fails(candidate, of.variant);
      if (found) return found;
    }
    for (const variant of simpler(of.variant)) {
      const found = await fails(large, variant);
      if (found) return found;
    }
    return null;
  };
  for (let found = await next(); found !== null; found = await next()) best = found;
  return best;
}

/** What two failures must have in common to be one: of what is thrown the first line, but for its numbers. */
function likeness({ kind, message }: Failure): string {
  return kind === 'throws' ? `${kind} ${message.split('\n')[0]!.replace(/\d+/g, '')}` : kind;
}

/** It can be made, and run in this way. */
function fits(spec: ProgramSpec, { resume, alone }: Variant): boolean {
  if (resume.some((at) => at >= spec.steps) || (alone && tailStep(spec) !== resume[0])) return false;
  try {
    programOf(spec).options();
    return true;
  } catch {
    return false;
  }
}

/** Programs that are smaller in one thing. What tells most comes first. */
function* smaller(spec: ProgramSpec): Generator<ProgramSpec> {
  const { input, loss, policy, optimizer, around } = spec;
  for (const name of Object.keys(around)) yield { ...spec, around: without(around, name) };
  if (spec.precision !== 'f32') yield { ...spec, precision: 'f32', activations: 'f32' };
  if (spec.activations !== 'f32') yield { ...spec, activations: 'f32' };
  for (const layers of fewer(spec.layers)) yield { ...spec, layers };
  for (const simple of simplerPolicies(policy)) yield { ...spec, policy: simple };
  if (optimizer.name !== 'sgd') yield { ...spec, optimizer: { name: 'sgd', options: { lr: 0.1 } } };
  if (optimizer.schedule) yield { ...spec, optimizer: { name: optimizer.name, options: optimizer.options } };
  for (const options of fewerOptions(optimizer.options)) yield { ...spec, optimizer: { ...optimizer, options } };
  if (loss.name !== 'mse') yield { ...spec, loss: { name: 'mse', width: loss.width, options: {} } };
  for (const options of fewerOptions(loss.options)) yield { ...spec, loss: { ...loss, options } };
  if (spec.dropLast) yield { ...spec, dropLast: false };
  if (spec.accumulate > 1) yield { ...spec, accumulate: 1 };
  for (const steps of less(spec.steps)) yield { ...spec, steps };
  for (const rows of less(spec.rows)) yield { ...spec, rows };
  for (const batchSize of less(spec.batchSize)) yield { ...spec, batchSize };
  for (const width of less(loss.width)) yield { ...spec, loss: { ...loss, width } };
  for (const [i, d] of input.row.entries()) {
    for (const size of less(d)) yield { ...spec, input: { ...input, row: input.row.with(i, size) } };
  }
  if (input.scale !== 1) yield { ...spec, input: { ...input, scale: 1 } };
  for (const layers of narrower(spec.layers)) yield { ...spec, layers };
}

/** Smaller whole numbers from 1 on: half, and one less. */
function less(n: number): number[] {
  return n <= 1 ? [] : n <= 3 ? [n - 1] : [Math.ceil(n / 2), n - 1];
}

function without(options: Options, name: string): Options {
  return Object.fromEntries(Object.entries(options).filter(([key]) => key !== name));
}

function* fewerOptions(options: Options): Generator<Options> {
  for (const [name, value] of Object.entries(options)) {
    yield without(options, name);
    if (Number.isInteger(value)) for (const n of less(value as number)) yield { ...options, [name]: n };
  }
}

function* simplerPolicies(policy: PolicySpec): Generator<PolicySpec> {
  if (policy.name !== 'none') yield { name: 'none', args: [] };
  yield* policy.parts ?? [];
  const [last] = policy.args.slice(-1);
  if (typeof last !== 'object' || last === null) return;
  for (const options of fewerOptions(last as Options)) yield { ...policy, args: policy.args.with(-1, options) };
}

/** Layers left out, and containers left for what is in them. */
function* fewer(layers: readonly LayerSpec[]): Generator<LayerSpec[]> {
  for (const [i, layer] of layers.entries()) {
    yield layers.toSpliced(i, 1);
    if (!layer.layers) continue;
    yield layers.toSpliced(i, 1, ...layer.layers);
    for (const inside of fewer(layer.layers)) yield layers.with(i, { ...layer, layers: inside });
  }
}

/** Layers with fewer options, or smaller ones. */
function* narrower(layers: readonly LayerSpec[]): Generator<LayerSpec[]> {
  for (const [i, layer] of layers.entries()) {
    for (const options of fewerOptions(layer.options)) yield layers.with(i, { ...layer, options });
    for (const inside of narrower(layer.layers ?? [])) yield layers.with(i, { ...layer, layers: inside });
  }
}

/** Ways to run it that are nearer to the plain one. */
function* simpler(variant: Variant): Generator<Variant> {
  for (const key of ['poison', 'sync', 'stream', 'chunk', 'checkpointed', 'isa'] as const) {
    if (variant[key] !== PLAIN[key]) yield { ...variant, [key]: PLAIN[key] };
  }
  if (variant.resume.length > 0) yield { ...variant, resume: [], alone: false };
  if (variant.between) yield { ...variant, between: null };
  if (variant.between && variant.between !== 'pieces') yield { ...variant, between: 'pieces' };
  if (variant.given) yield { ...variant, given: false };
  if (variant.threads > 1) yield { ...variant, threads: 1 };
  if (variant.threads > 2) yield { ...variant, threads: 2 };
  if (variant.threads > 4) yield { ...variant, threads: 4 };
}

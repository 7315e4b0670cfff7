// print.ts: a program and what is wrong with it, to be read.
import { inspect } from 'node:util';
import type { Failure } from './lane.ts';
import { headOf, makeNetwork } from './network.ts';
import type { LayerSpec, ProgramSpec } from './spec.ts';
import { PLAIN } from './variants.ts';

const text = (value: unknown): string => inspect(value, { depth: null, breakLength: Number.POSITIVE_INFINITY, compact: true });

function lines({ name, options, layers = [] }: LayerSpec): string[] {
  const own = Object.keys(options).length > 0 ? `${name} ${text(options)}` : name;
  return [own, ...layers.flatMap(lines).map((line) => `  ${line}`)];
}

export function print(spec: ProgramSpec, { variant, kind, message }: Failure): string {
  const { input, layers, loss, policy, optimizer, precision, activations, around, rows, batchSize, accumulate, dropLast, steps } =
    spec;
  const network = [...layers, headOf(loss.width)].map(lines);
  const shapes = makeNetwork(spec).rows.map((row) => `[${row}]`);
  const changed = Object.entries(variant).filter(([name, value]) => text(PLAIN[name as keyof typeof PLAIN]) !== text(value));
  return [
    `input: ${input.source}, ${input.dtype}${shapes[0]}${input.dtype === 'f32' ? ` times ${input.scale}` : ` below ${input.below}`}`,
    ...network.map((layer, i) => `  ${layer.join('\n  ')} -> ${shapes[i + 1]}`),
    `loss: ${loss.name} ${text(loss.options)}`,
    `policy: ${text(policy)}`,
    `optimizer: ${text(optimizer)}`,
    ...(precision === 'f32' ? [] : [`products in ${precision}, activations kept as ${activations}`]),
    ...(Object.keys(around).length > 0 ? [`with: ${text(around)}`] : []),
    `${rows} rows, batches of ${batchSize}, accumulate ${accumulate}${dropLast ? ', dropLast' : ''}, ${steps} steps`,
    `run with ${text(Object.fromEntries(changed))}: ${kind}`,
    ...message.split('\n').map((line) => `  ${line}`),
  ].join('\n');
}

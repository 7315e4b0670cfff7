// counts.ts: how often each layer, loss, policy and optimizer occurred.

import { names } from './draw.ts';
import { LAYERS } from './layers/index.ts';
import { LOSSES } from './losses.ts';
import { MAKERS } from './optimizers.ts';
import { POLICIES } from './policies.ts';
import type { PolicySpec, ProgramSpec } from './spec.ts';

const policies = ({ name, parts = [] }: PolicySpec): string[] => [name, ...parts.flatMap(policies)];

export class Counts {
  programs = 0;
  readonly #counts: Readonly<Record<string, Map<string, number>>> = {
    layers: zeros(LAYERS),
    losses: zeros(LOSSES),
    policies: zeros(POLICIES),
    optimizers: zeros(MAKERS),
    'beside them': new Map(),
  };

  add(spec: ProgramSpec): void {
    this.programs++;
    const { layers, losses, policies: clipped, optimizers, 'beside them': beside } = this.#counts;
    count(layers!, names(spec.layers));
    count(losses!, [spec.loss.name]);
    count(clipped!, policies(spec.policy));
    count(optimizers!, [spec.optimizer.name]);
    const { source, dtype, row } = spec.input;
    const { precision, activations } = spec;
    const low = { 'products in bf16': precision === 'bf16', 'activations in bf16': activations === 'bf16' };
    const others = { ...low, accumulate: spec.accumulate > 1, dropLast: spec.dropLast, tail: spec.rows % spec.batchSize > 0 };
    const on = Object.entries(others).flatMap(([name, is]) => (is ? [name] : []));
    count(beside!, [...Object.keys(spec.around), ...on, source, `${dtype} of ${row.length} dimensions`]);
  }

  /** By what they are. */
  all(): [string, ReadonlyMap<string, number>][] {
    return Object.entries(this.#counts);
  }

  /** Each once for a program, however often it is in it. */
  table(): string {
    return this.all()
      .map(([what, of]) => {
        const sorted = [...of].sort(([, a], [, b]) => a - b);
        return `${what}: ${sorted.map(([name, n]) => `${name} ${n}`).join(', ')}`;
      })
      .join('\n');
  }
}

function zeros(table: object): Map<string, number> {
  return new Map(Object.keys(table).map((name) => [name, 0]));
}

function count(of: Map<string, number>, found: readonly string[]): void {
  for (const name of new Set(found)) of.set(name, (of.get(name) ?? 0) + 1);
}

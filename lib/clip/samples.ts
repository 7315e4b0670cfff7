// samples.ts: policies as tests and benchmarks make them, declared beside those whose defaults are far from the norms there, or that have
// several ways to work.
import type { ClipPolicy } from './clip.ts';
import type { NonFiniteOptions } from './finite.ts';

/** With options beside its own. */
export type Sample = (given?: NonFiniteOptions) => ClipPolicy;

const declared = new Map<string, Sample>();

/** By name of the function, with what is particular to the case after a blank. */
export function samples(of: Readonly<Record<string, Sample>>): void {
  for (const [name, make] of Object.entries(of)) declared.set(name, make);
}

/** Those of a policy, none where it declares none. */
export function samplesOf(name: string): [string, Sample][] {
  return [...declared].filter(([of]) => of.split(' ')[0] === name);
}

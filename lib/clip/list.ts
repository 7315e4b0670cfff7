// list.ts: every policy by its name, as tests and benchmarks make it: what enumerates policies starts here. It follows from what index.ts
// exports and from the samples beside each. Of clip.auto only a fit makes anything, of clip.perSample only a trainer: they are not among them.
import { signatures } from '../options/index.ts';
import type { ClipPolicy } from './clip.ts';
import * as clip from './index.ts';
import { type Sample, samplesOf } from './samples.ts';

/** Where a policy declares none: its defaults. */
function usual(name: string, make: (...args: readonly unknown[]) => ClipPolicy): [string, Sample][] {
  const before = Object.keys(signatures.get(`clip.${name}`)!.positional).map(() => undefined);
  return [[name, (given) => make(...before, given)]];
}

const APART: readonly string[] = ['auto', 'perSample'];

function all(): [string, Sample][] {
  const found = Object.entries(clip as unknown as Readonly<Record<string, (...args: readonly unknown[]) => ClipPolicy>>);
  const policies = found.filter(
    ([name, f]) => typeof f === 'function' && signatures.has(`clip.${name}`) && !APART.includes(name),
  );
  // Each way of loading modules lists what they export in an order of its own.
  const sorted = policies.sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.flatMap(([name, make]) => {
    const declared = samplesOf(name);
    return declared.length > 0 ? declared : usual(name, make);
  });
}

/** A name is that of the function, and what is particular to the case after a blank. */
export const POLICIES: Readonly<Record<string, Sample>> = Object.fromEntries(all());

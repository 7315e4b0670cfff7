// parity.test.ts: every layer and model against PyTorch in f64 (golden/parity/, made by `npm run parity -- --update`), and its
// bits on each instruction set and for several threads.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { addon } from '../../lib/native/addon.ts';
import { SOME_TEAMS } from '../kit.ts';
import { CASES, truthFile } from './cases/index.ts';
import { compare, type Truth } from './compare.ts';
import { runCase, type Values } from './ours.ts';

const FOLDER = new URL('../golden/parity/', import.meta.url);

async function truthOf(name: string): Promise<Truth> {
  const { tensors, metadata } = await readSafetensors(fileURLToPath(new URL(truthFile(name), FOLDER)));
  const values = new Map([...tensors].map(([key, t]) => [key, t.data as ArrayLike<number>]));
  return { values, errors: JSON.parse(metadata.errors!) as Record<string, number> };
}

const bits = (values: Values): string[] =>
  [...values].map(([name, { buffer, byteOffset, byteLength }]) => {
    return `${name} ${Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('base64')}`;
  });
const wide = addon().isas.filter((isa) => isa !== 'x86_64');

describe.each(Object.keys(CASES).filter((name) => !CASES[name]!.large))('%s', (name) => {
  const of = CASES[name]!;
  it.each(addon().isas)('is as in PyTorch on %s', async (isa) => {
    const truth = await truthOf(name);
    for (const { name: tensor, error, limit } of compare(runCase(of, { isa }), truth)) {
      if (!(error <= limit)) throw new Error(`${tensor}: off by ${error}, allowed ${limit}`);
    }
  });

  it('has the same bits for any threads and on all wide instruction sets', () => {
    const one = bits(runCase(of, { isa: wide[0]! }));
    for (const isa of wide) for (const threads of [1, ...SOME_TEAMS]) expect(bits(runCase(of, { isa, threads }))).toEqual(one);
  });
});

it('has no truths of cases that are gone', () => {
  const kept = (readdirSync(FOLDER, { recursive: true }) as string[]).filter((file) => file.endsWith('.safetensors'));
  const wanted = Object.keys(CASES).filter((name) => !CASES[name]!.large);
  expect(kept.map((file) => file.replaceAll('\\', '/')).sort()).toEqual(wanted.map(truthFile).sort());
});

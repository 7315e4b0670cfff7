// registers.test.ts: the functions on one register that every kernel is made of (binding/kernels/simd), on each instruction set.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { addon } from '../../lib/native/addon.ts';

const root = resolve(import.meta.dirname, '../..');
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
const functionsOf = (file: string): string[] =>
  [...text(`binding/kernels/simd/${file}`).matchAll(/^(?:template <int \w> )?(?:static inline|INLINE) \S+ (r_\w+)\(/gm)].map(
    ([, name]) => name!,
  );

/** It adds to another one, and has those of that. */
const ADDS = 'avx512bf16.h';
test('each instruction set has the same functions, and all are tried', () => {
  const files = readdirSync(join(root, 'binding/kernels/simd')).filter((file) => file.endsWith('.h'));
  const [first, ...others] = files.filter((file) => file !== ADDS).map((file) => [...new Set(functionsOf(file))].sort());
  expect(first!.length).toBeGreaterThan(60);
  for (const other of others) expect(other).toEqual(first);
  const tried = text('test/registers/registers.cc');
  expect([...first!, ...functionsOf(ADDS)].filter((name) => !new RegExp(`\\b${name}\\b`).test(tried))).toEqual([]);
});

const build = join(process.env.GRADCLIP_PREBUILD ?? root, 'build');
// They are compiled where the add-on was; with a prebuilt one there is nothing to compile them.
test.skipIf(!existsSync(join(build, 'CMakeCache.txt')))('they give on each lane what plain C++ gives for it', () => {
  const output = execFileSync('cmake', ['--build', build, '--target', 'check_registers'], { encoding: 'utf8' });
  for (const isa of addon().isas)
    expect(output).toMatch(new RegExp(`^${isa}: \\d\\d functions, \\d{6,} comparisons, 0 differences$`, 'm'));
});

// clang-format.mjs: formats the C++ sources with the pinned clang-format; with --check it changes nothing and fails instead.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

// simd.h and what it includes are laid out by hand, in columns: one line per operation, so that the ISAs can be compared.
const byHand = /^binding\/kernels\/simd(\.h|\/)/;
const files = ['binding', 'test/threads']
  .flatMap((folder) => readdirSync(`${root}/${folder}`, { recursive: true }).map((name) => `${folder}/${name}`))
  .filter((name) => /\.(h|cc|inc)$/.test(name) && !byHand.test(name))
  .sort();

const mode = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i'];
const run = spawnSync(require('clang-format').getNativeBinary(), [...mode, ...files], { cwd: root, stdio: 'inherit' });
process.exitCode = run.status ?? 1;

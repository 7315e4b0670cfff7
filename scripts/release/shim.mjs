#!/usr/bin/env node
// shim.mjs: what prebuildify runs in place of node-gyp: cmake-js, and zig as the compiler for the system that prebuildify names in the environment.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TARGETS } from './targets.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { PREBUILD_PLATFORM, PREBUILD_ARCH, PREBUILD_LIBC, GRADCLIP_ZIG } = process.env;
const target = Object.values(TARGETS).find(
  ({ platform, arch, libc = PREBUILD_LIBC }) =>
    platform === PREBUILD_PLATFORM && arch === PREBUILD_ARCH && libc === PREBUILD_LIBC,
);
const define = {
  // cmake-js says so of other kinds of libraries: on Windows it counts as a program.
  CMAKE_RUNTIME_OUTPUT_DIRECTORY: join(process.cwd(), 'build/Release'),
  CMAKE_TOOLCHAIN_FILE: join(root, 'cmake/zig.cmake'),
  GRADCLIP_ZIG,
  GRADCLIP_TARGET: target.zig,
  GRADCLIP_OPENMP: 'OFF',
  // Stripped by the linker, which signs what is for macOS after that.
  CMAKE_SHARED_LINKER_FLAGS: '-s',
  CMAKE_EXE_LINKER_FLAGS: '-s',
};
const args = [
  ...['build', '--directory', root, '--out', join(process.cwd(), 'build'), '--log-level', 'error'],
  ...['--parallel', String(availableParallelism())],
  // Else it asks for another compiler on this machine.
  ...['--cc', GRADCLIP_ZIG, '--cxx', GRADCLIP_ZIG],
  ...Object.entries(define).map(([name, value]) => `--CD${name}=${value}`),
];
const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
process.exitCode = spawnSync(process.execPath, [cmakeJs, ...args], { cwd: root, stdio: 'inherit' }).status ?? 1;

// check-headers.mjs: compiles each header of the kernels alone, as an editor sees it: it includes what it uses, itself. And it includes
// nothing but its neighbors, so that nothing of the C++ library is compiled once per ISA.
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../binding/kernels', import.meta.url));

/** The compiler's family and options by instruction set; a file of simd/ is tried with its own, all others with one of the machine's. */
const ISAS = {
  avx2: { arch: 'x64', options: ['-mavx2', '-mfma', '-mf16c'] },
  avx512: { arch: 'x64', options: ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma', '-mf16c'] },
  avx512bf16: {
    arch: 'x64',
    options: ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma', '-mf16c', '-mavx512bf16'],
  },
  sse: { arch: 'x64', options: [] },
  neon: { arch: 'arm64', options: [] },
};
const CROSS = { x64: 'x86_64-linux-gnu-g++', arm64: 'aarch64-linux-gnu-g++' };

/** Faults in what a header of the kernels includes: C headers are included by unit.h and kernel.h alone, for all. */
export function checkIncludes(name, text) {
  const library = name === 'unit.h' || name === 'kernel.h' ? /^<\w+\.h>/ : /^$/;
  const neighbor = (file) => /^"/.test(file) && !join(dirname(name), file.slice(1, -1)).startsWith('..');
  const included = [...text.matchAll(/^ *# *include *(.+)$/gm)].map(([, file]) => file.trim());
  return included.filter((file) => !library.test(file) && !neighbor(file)).map((file) => `${name}: includes ${file}`);
}

export function kernelHeaders() {
  return readdirSync(folder, { recursive: true })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.h'))
    .sort();
}

export const headerText = (name) => readFileSync(`${folder}/${name}`, 'utf8');

/** The compiler for a family, or undefined where this machine has none. */
function compilerFor(arch) {
  const name = arch === process.arch ? (process.env.CXX ?? 'g++') : CROSS[arch];
  return spawnSync(name, ['--version']).status === 0 ? name : undefined;
}

function compileAlone(name, compiler, isa) {
  const options = [
    '-std=c++17',
    '-fsyntax-only',
    '-Wall',
    '-Wno-unused-function',
    `-DGRADCLIP_ISA_NAME=${isa}`,
    ...ISAS[isa].options,
  ];
  return new Promise((resolve) => {
    const run = spawn(compiler, [...options, '-x', 'c++', '-include', `${folder}/${name}`, '/dev/null'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    run.stderr.setEncoding('utf8').on('data', (text) => (said += text));
    run.on('close', (status) => resolve(status === 0 && said === '' ? [] : [`${name}: ${said.split('\n', 3).join(' ')}`]));
  });
}

async function main() {
  const usual = process.arch === 'arm64' ? 'neon' : 'avx2';
  const names = kernelHeaders();
  const faults = names.flatMap((name) => checkIncludes(name, headerText(name)));
  let tried = 0;
  const queue = [...names];
  const worker = async () => {
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      const isa = /^simd\/(\w+)\.h$/.exec(name)?.[1] ?? usual;
      const compiler = compilerFor(ISAS[isa].arch);
      if (compiler === undefined) {
        console.log(`check-headers: ${name} is left out: this machine has no ${CROSS[ISAS[isa].arch]}`);
        continue;
      }
      tried++;
      faults.push(...(await compileAlone(name, compiler, isa)));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  for (const fault of faults.sort()) console.error(fault);
  console.log(`check-headers: ${tried} headers, ${faults.length} faults`);
  process.exitCode = faults.length > 0 || tried === 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();

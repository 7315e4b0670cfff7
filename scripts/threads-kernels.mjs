// threads-kernels.mjs: every kernel by crews of four under ThreadSanitizer: runs of single kernels on random shapes and of random networks are written down
// on one thread (test/threads/replay/record.ts), then replayed by the same C++ under the sanitizer, with the same results. And without a barrier, the
// race is found. --cases 12 --programs 30 --seed 1: so many shapes of each op, so many networks. --barriers gemm.h,select.h: without each
// barrier of these files in turn; `all`: of all.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { compile, copyOf, inFolder, link, root, run, SOURCES, say, watched } from './tsan.mjs';

const { values: flags } = parseArgs({
  options: {
    cases: { type: 'string', default: '12' },
    programs: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    barriers: { type: 'string' },
  },
});

// The sanitizer follows loads of up to 16 bytes one by one, so the baseline of the processor's family.
const isa = process.arch === 'arm64' ? 'neon' : 'x86_64';
const define = [`-DGRADCLIP_ISA_NAME=${isa}`];
const kernelFlags = [
  ...define,
  `-I${join(root, 'build/lists')}`,
  '-g1',
  '-fno-exceptions',
  '-fno-rtti',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-Wno-unused-function',
];

const kernels = join(root, 'binding/kernels');
const units = readdirSync(kernels, { recursive: true }).filter((name) => name.endsWith('.cc'));
const REPLAY = 'test/threads/replay/replay.cc';

/** Everything that a file of binding/kernels includes, itself among it; for rules.inc, which CMake makes of them, all of rules/. */
function included(name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  const text = readFileSync(join(kernels, name), 'utf8');
  for (const [, other] of text.matchAll(/^#include "([\w./]+\.(?:h|inc))"/gm)) {
    if (other === 'rules.inc') for (const rule of readdirSync(join(kernels, 'rules'))) included(`rules/${rule}`, seen);
    else included(join(dirname(name), other), seen);
  }
  return seen;
}

/** A barrier is taken out: the first of some files, or each one there is. */
const BARRIER = /(?:if \([^()]*\) )?team(?:\.|->)barrier\(\);/g;
const SOME = ['norm/row_norm.h', 'product/conv_weight.h', 'update/pruning.h'];
function barriers() {
  const every = readdirSync(kernels, { recursive: true }).filter((name) => name.endsWith('.h') && name !== 'kernel.h');
  const names = flags.barriers === 'all' ? every : (flags.barriers?.split(',') ?? SOME);
  return names.flatMap((name) => {
    const all = [...readFileSync(join(kernels, name), 'utf8').matchAll(BARRIER)].map(([text]) => text);
    const places = all.map((from, k) => ({ name, from, to: ';', nth: all.slice(0, k).filter((text) => text === from).length }));
    return flags.barriers ? places : places.slice(0, 1);
  });
}

await inFolder(async (work) => {
  const file = join(work, 'runs');
  const args = ['--cases', flags.cases, '--programs', flags.programs, '--seed', flags.seed];
  const env = { GRADCLIP_ISA: isa, GRADCLIP_POISON: '0' };
  const recorded = await run(root, process.execPath, ['dist/test/threads/replay/record.js', file, ...args], {
    env,
    timeout: 600_000,
  });
  say(recorded.code === 0, recorded.text.trim());
  if (recorded.code !== 0) return;

  const whole = join(work, 'whole');
  copyOf(whole);
  await compile(whole, [...SOURCES, REPLAY], define);
  await compile(
    whole,
    units.map((name) => `binding/kernels/${name}`),
    kernelFlags,
  );
  const objects = [...SOURCES, REPLAY, ...units.map((name) => `binding/kernels/${name}`)].map((name) => join(whole, `${name}.o`));
  await link(whole, objects, 'replay');
  const { code, text } = await watched(whole, 'replay', [file]);
  const clean = code === 0 && !text.includes('ThreadSanitizer');
  say(clean, 'kernels as they are');
  if (!clean) return console.log(text.slice(0, 8000));

  for (const [k, planted] of barriers().entries()) {
    const folder = join(work, String(k));
    copyOf(folder, { ...planted, name: `kernels/${planted.name}` });
    const changed = units.filter((name) => included(name).has(planted.name));
    await compile(
      folder,
      changed.map((name) => `binding/kernels/${name}`),
      kernelFlags,
    );
    const others = objects.filter((object) => !changed.some((name) => object.endsWith(`/kernels/${name}.o`)));
    await link(folder, [...others, ...changed.map((name) => join(folder, `binding/kernels/${name}.o`))], 'replay');
    const ended = await watched(folder, 'replay', [file]);
    const [, where] = /replay: in (.*)/.exec(ended.text) ?? [];
    const which = `${planted.name} without "${planted.from}", number ${planted.nth + 1}`;
    say(ended.code !== 0, ended.code !== 0 ? `${which}: the race is found in ${where}` : `${which}: no race is found`);
  }
});

// check-loops.mjs: counts the instructions of the micro-kernels' inner loops in built objects, and fails where accumulators do not stay in
// registers or where there are fewer fma to a register loaded than there were. Where nobody can take the time on a processor, that tells
// what a loop asks of it. docs/PERFORMANCE.md has the figures beside those of other libraries.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** What instructions of a family of processors are, by name and operands as objdump prints them. */
export const FAMILIES = {
  x64: {
    fma: /^v(fn?m(add|sub)|dpbf16)/,
    /** Registers that an instruction fills from memory; an operand of an fma that lies there counts as one. */
    loads: (op, operands) => (/^v/.test(op) && /%[xyz]mm/.test(operands) && /\([^)]*\)[^,]*,/.test(operands) ? 1 : 0),
    vector: /%[xyz]mm/,
    stack: /\(%rsp/,
    frame: { set: /^(mov|lea)$/, to: /%rsp\)?,%rbp$/, used: /\(%rbp/ },
    jump: /^j/,
    end: /^(jmp|ret|ud2|hlt)/,
  },
  arm64: {
    fma: /^fml[as]$/,
    loads: (op, operands) =>
      /^(ldp|ldr|ldur|ld[1-4]r?)$/.test(op) ? (operands.split('[')[0].match(/\b[qdsv]\d+/g)?.length ?? 0) : 0,
    vector: /\b[qdsv]\d+/,
    stack: /\[sp\b/,
    frame: { set: /^(mov|add)$/, to: /^x29, sp/, used: /\[x29\b/ },
    jump: /^(b|b\..+|cbn?z|tbn?z)$/,
    end: /^(b|br|ret|udf|brk)$/,
  },
};

/** The micro-kernels that do most of the work, and how many fma they have at least to a register loaded, whichever compiler made them. */
const LEAST = {
  avx2: {
    'micro<F32, false, 3, 6>': 1.5,
    'micro<F32, false, 0, 6>': 1.5,
    'micro<F32, true, 3, 6>': 1.5,
    'micro<F32, true, 0, 6>': 1.5,
    'by_channel<F32, 6, 2>': 1.5,
    'by_pixel<F32, 4, 2>': 1.33,
    'by_tap<F32, 3, 2, 2, true>': 1.5,
    'by_tap<F32, 5, 1, 2, true>': 2,
    'rec_panel<F32, 6, true>': 1.5,
  },
  avx512: {
    'micro<F32, false, 3, 14>': 1.75,
    'micro<F32, false, 0, 14>': 1.75,
    'micro<F32, true, 3, 14>': 1.75,
    'micro<F32, true, 0, 14>': 1.75,
    'by_channel<F32, 14, 2>': 1.75,
    'by_pixel<F32, 8, 3>': 2.18,
    'by_tap<F32, 3, 4, 2, true>': 1.71,
    'by_tap<F32, 5, 2, 2, true>': 2.5,
    'rec_panel<F32, 14, true>': 1.75,
  },
  avx512bf16: {
    'micro<Bf16, false, 3, 14>': 1.75,
    'micro<Bf16, false, 0, 14>': 1.75,
    'micro<Bf16, true, 3, 14>': 1.75,
    'micro<Bf16, true, 0, 14>': 1.75,
    'by_channel<Bf16, 14, 2>': 1.75,
    'by_pixel<Bf16, 8, 3>': 2.18,
    'by_tap<Bf16, 3, 4, 2, true>': 1.71,
    'by_tap<Bf16, 5, 2, 2, true>': 2.22,
    'rec_panel<Bf16, 14, true>': 1.75,
  },
  neon: {
    'micro<F32, false, 3, 12>': 4.8,
    'micro<F32, false, 0, 12>': 4.8,
    'micro<F32, true, 3, 10>': 4.44,
    'micro<F32, true, 3, 12>': 3,
    'by_channel<F32, 12, 2>': 4.8,
    'by_pixel<F32, 8, 3>': 4.8,
    'by_tap<F32, 3, 4, 2, true>': 6,
    'by_tap<F32, 5, 2, 2, true>': 5,
    'rec_panel<F32, 10, true>': 4.44,
  },
};
/** Addresses and counters that may lie on the stack: a load or two beside dozens of fma. */
const MOST_RELOADS = 3;

/** The instructions of each function in the text of `objdump -dC --no-show-raw-insn`, by its name without namespaces of ours. */
export function functionsOf(text) {
  const functions = new Map();
  let code = [];
  for (const line of text.split('\n')) {
    const start = /^[0-9a-f]+ <(.+)>:$/.exec(line);
    if (start) {
      code = [];
      functions.set(start[1].replaceAll(/gradclip::isa_\w+::/g, ''), code);
    }
    const found = /^ *([0-9a-f]+):\s+(\S+)\s*(.*?)(?:\s*(?:\/\/|# ).*)?$/.exec(line);
    if (found) code.push({ at: Number.parseInt(found[1], 16), op: found[2], operands: found[3] });
  }
  return functions;
}

/** A function's basic blocks, each with its instructions and those it goes on to. */
function blocksOf(code, family) {
  const place = new Map(code.map(({ at }, i) => [at, i]));
  const targets = code.map(({ op, operands }) => {
    const target = family.jump.test(op) ? /\b(?:0x)?([0-9a-f]+) <.*>$/.exec(operands) : null;
    return target === null ? undefined : place.get(Number.parseInt(target[1], 16));
  });
  const leads = new Set([0, ...targets.filter((to) => to !== undefined)]);
  for (let i = 0; i + 1 < code.length; i++) if (targets[i] !== undefined || family.end.test(code[i].op)) leads.add(i + 1);
  const starts = [...leads].sort((x, y) => x - y);
  const number = new Map(starts.map((start, b) => [start, b]));
  return starts.map((start, b) => {
    const end = (starts[b + 1] ?? code.length) - 1;
    const next = family.end.test(code[end].op) || end + 1 === code.length ? [] : [number.get(end + 1)];
    if (targets[end] !== undefined) next.push(number.get(targets[end]));
    return { code: code.slice(start, end + 1), next };
  });
}

/**
 * The loops of a function that have no loop inside, each as its instructions. A loop is what reaches a jump back to its head without
 * going through the head, which lies on every way there: compilers put parts of loops anywhere.
 */
export function innerLoops(code, family) {
  const blocks = blocksOf(code, family);
  const before = blocks.map(() => []);
  for (const [b, { next }] of blocks.entries()) for (const to of next) before[to].push(b);
  const reached = (without) => {
    const seen = new Set(without === 0 ? [] : [0]);
    for (const b of seen) for (const to of blocks[b].next) if (to !== without) seen.add(to);
    return seen;
  };
  const all = reached(-1);
  const loops = new Map();
  for (const head of all) {
    const around = reached(head);
    const tails = before[head].filter((b) => all.has(b) && !around.has(b));
    if (tails.length === 0) continue;
    const loop = new Set([head, ...tails]);
    for (const b of loop) if (b !== head) for (const from of before[b]) loop.add(from);
    loops.set(head, loop);
  }
  const heads = [...loops.keys()];
  const inner = heads.filter((head) => !heads.some((other) => other !== head && loops.get(head).has(other)));
  return inner.map((head) => [...loops.get(head)].flatMap((b) => blocks[b].code));
}

/**
 * What a loop is made of. `spills`: vector registers that go to the stack or come from it; `reloads`: other instructions that touch the
 * stack, by its pointer or, where `framed`, by that of a frame.
 */
export function countLoop(loop, family, framed = false) {
  const fma = loop.filter(({ op }) => family.fma.test(op)).length;
  const loads = loop.reduce((sum, { op, operands }) => sum + family.loads(op, operands), 0);
  const loading = loop.filter(({ op, operands }) => !family.fma.test(op) && family.loads(op, operands) > 0).length;
  const stack = loop.filter(({ operands }) => family.stack.test(operands) || (framed && family.frame.used.test(operands)));
  const spills = stack.filter(({ operands }) => family.vector.test(operands)).length;
  return { fma, loads, others: loop.length - fma - loading, spills, reloads: stack.length - spills };
}

const MICRO = /\b((?:micro|by_channel|by_pixel|by_tap|rec_panel)<[^>]*>)/;

/** For each micro-kernel in an object's text, of its loops that have most fma (with requests for memory and without) the worst. */
export function countKernels(text, family) {
  const kernels = new Map();
  for (const [name, code] of functionsOf(text)) {
    const kernel = MICRO.exec(name)?.[1];
    if (kernel === undefined) continue;
    const framed = code.some(({ op, operands }) => family.frame.set.test(op) && family.frame.to.test(operands));
    const loops = innerLoops(code, family).map((loop) => countLoop(loop, family, framed));
    const most = Math.max(0, ...loops.map(({ fma }) => fma));
    const [first, ...rest] = loops.filter(({ fma }) => fma === most);
    const cost = ({ loads, others, spills, reloads }) => 100 * (spills + reloads) + loads + others;
    if (most > 0)
      kernels.set(
        kernel,
        rest.reduce((worst, loop) => (cost(loop) > cost(worst) ? loop : worst), first),
      );
  }
  return kernels;
}

/** Faults in the counts of an ISA's micro-kernels: every one is looked at for spills, those of the table for fma to a load as well. */
export function checkCounts(counts, least) {
  const faults = [];
  for (const [name, { spills, reloads }] of counts) {
    // Where the last register of a row is masked and registers are few, the mask comes from the stack: a load of what does not change.
    if (spills > 2 || (spills > 0 && name in least))
      faults.push(`${name}: ${spills} vector registers go over the stack in the loop`);
    if (reloads > MOST_RELOADS) faults.push(`${name}: ${reloads} addresses or counters come from the stack in the loop`);
  }
  for (const [name, wanted] of Object.entries(least)) {
    const count = counts.get(name);
    if (count === undefined) faults.push(`${name}: no such micro-kernel, or it has no loop with an fma`);
    else if (count.fma / count.loads < wanted - 0.005) {
      faults.push(`${name}: ${(count.fma / count.loads).toFixed(2)} fma to a register loaded, expected ${wanted}`);
    }
  }
  return faults;
}

function disassemble(objdump, file) {
  const run = spawnSync(objdump, ['-dC', '--no-show-raw-insn', file], { encoding: 'utf8', maxBuffer: 1 << 30 });
  if (run.status !== 0) throw new Error(`${objdump} ${file}: ${run.error?.message ?? run.stderr}`);
  return run.stdout;
}

function main() {
  const builds = process.argv.slice(2).filter((arg) => arg !== '--all');
  const all = process.argv.includes('--all');
  if (builds.length === 0) builds.push(fileURLToPath(new URL('../build', import.meta.url)));
  let found = 0;
  const faults = [];
  for (const build of builds) {
    if (!existsSync(`${build}/CMakeCache.txt`)) throw new Error(`${build} is no folder that CMake has built in`);
    // The tools are those of the compiler, which need not compile for this machine.
    const cache = readFileSync(`${build}/CMakeCache.txt`, 'utf8');
    const objdump = /^CMAKE_OBJDUMP:FILEPATH=(.+)$/m.exec(cache)?.[1] ?? 'objdump';
    for (const [isa, least] of Object.entries(LEAST)) {
      const folder = `${build}/CMakeFiles/kernels_${isa}.dir/binding/kernels`;
      if (!existsSync(folder)) continue;
      found++;
      const family = FAMILIES[isa === 'neon' ? 'arm64' : 'x64'];
      const units = ['product/gemm', 'product/conv', 'recurrent/recurrent'].map((unit) => `${folder}/${unit}.cc.o`);
      const counts = new Map(units.flatMap((unit) => [...countKernels(disassemble(objdump, unit), family)]));
      console.log(`\n${isa}, ${build}\n${'micro-kernel'.padEnd(26)} fma  loads  fma/load  others  spills  reloads`);
      for (const [name, { fma, loads, others, spills, reloads }] of counts) {
        if (!all && !(name in least)) continue;
        const cells = [String(fma).padStart(4), String(loads).padStart(6), (fma / loads).toFixed(2).padStart(9)];
        console.log(name.padEnd(25), ...cells, ...[others, spills, reloads].map((n) => String(n).padStart(7)));
      }
      faults.push(...checkCounts(counts, least).map((fault) => `${isa}: ${fault}`));
    }
  }
  for (const fault of faults) console.error(fault);
  console.log(`\ncheck-loops: ${found} instruction sets, ${faults.length} faults`);
  process.exitCode = faults.length > 0 || found === 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();

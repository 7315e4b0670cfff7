// check-isa.mjs: looks into the built objects for what would kill the process on an older CPU. Run after a build.
// A template instance compiled for AVX-512 can be the copy that the linker keeps for everyone, so the kernel objects may share
// nothing by name, and the baseline may hold no instruction that came after it. Nor may anything call what each C library rounds its own way.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// Old instructions that begin with v all the same, and VEX ones that do not (BMI).
const NOT_VEX = /^(verr|verw|vm(call|launch|resume|xoff|xon|read|write|clear|func|ptrld|ptrst))/;
const VEX_WITHOUT_V = /^(andn|bextr|bls(i|r|msk)|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx)[lq]?$/;
const isVex = (mnemonic) => (mnemonic.startsWith('v') && !NOT_VEX.test(mnemonic)) || VEX_WITHOUT_V.test(mnemonic);

// What came after the first 64-bit ARM, or may be left out of it: atomics that are one instruction (LSE) and weaker loads; products of bytes, of
// bfloat16 and of complex numbers; rounding products; ciphers and checksums; signed addresses but for those that older processors pass over.
const AFTER_ARMV8 = [
  /^(casp?|swp|(ld|st)(add|clr|eor|set|[su]max|[su]min))(a|l|al)?[bh]?$|^ldapu?r/,
  /^([su]|us|su)dot$|^([su]|us)mmla$|^bf(dot|mmla|mlal|cvt)|^fml[as]l2?$|^fcmla$|^fcadd$|^sqrdml[as]h$|^fjcvtzs$|^frint(32|64)/,
  /^aes|^sha\d|^sm[34]|^crc32|^eor3$|^rax1$|^xar$|^bcax$|^(ret|br|blr|eret)a[ab]/,
];
// Registers of SVE, and arithmetic on halves: what converts them to and from floats is old.
const SVE = /\b[zp]\d+(\.[bhsdq]\b|\/[mz]\b)|\{z\d/;
const HALVES = /\bv\d+\.[48]h\b|\bh\d+\b/;
const isArmv8 = (mnemonic, operands) =>
  !AFTER_ARMV8.some((later) => later.test(mnemonic)) &&
  !SVE.test(operands) &&
  !(/^f(?!cvt)/.test(mnemonic) && HALVES.test(operands));

/** Whether an ISA has an instruction, by its name and what objdump prints after that. */
const HAS = {
  x86_64: (mnemonic, operands) => !isVex(mnemonic) && !/%[yz]mm\d|%k[0-7]\b|%xmm(1[6-9]|[23]\d)/.test(operands),
  avx2: (_mnemonic, operands) => !/%zmm\d|%k[0-7]\b|%[xy]mm(1[6-9]|[23]\d)/.test(operands),
  avx512: (mnemonic) => !/^v(dpbf16|cvtne2?ps2bf16)/.test(mnemonic),
  avx512bf16: () => true,
  neon: isArmv8,
};
/** The ISA whose kernels another one takes, but for products. */
const BELOW = { avx512bf16: 'avx512' };
/** The ISAs of a family of processors; what is not of the kernels is of the first, which runs on all of the family. */
const FAMILIES = [['x86_64', 'avx2', 'avx512', 'avx512bf16'], ['neon']];

/** Faults in the text of `objdump -d --no-show-raw-insn` (AT&T syntax), at most `limit` of them. */
export function checkDisassembly(isa, text, limit = 5) {
  const faults = [];
  let symbol = '';
  for (const line of text.split('\n')) {
    const start = /^[0-9a-f]+ <(.+)>:$/.exec(line);
    if (start) symbol = start[1];
    const instruction = /^ *[0-9a-f]+:\t(?:(?:rep[nz]*|lock|notrack|data16|bnd|cs) )*(\S+)(.*)$/.exec(line);
    if (!instruction) continue;
    const [, mnemonic, operands] = instruction;
    // What the disassembler does not know came later still.
    if (!/^(<unknown>|\(bad\))/.test(mnemonic) && HAS[isa](mnemonic, operands)) continue;
    faults.push(`${isa}: ${symbol}: ${mnemonic}${operands} is not of this ISA`);
    if (faults.length === limit) break;
  }
  return faults;
}

/**
 * Faults in the text of `nm -C` on all kernel objects of an ISA: they define its table, what else they share lies in the namespace of the
 * ISA, and they need nothing but plain C functions, each other, and kernels of the ISA below.
 */
export function checkSymbols(isa, text) {
  const faults = [];
  const table = `gradclip::table_${isa}`;
  const own = (name) => name === table || name.includes(`gradclip::isa_${isa}::`);
  const defined = new Set();
  const needed = new Set();
  for (const line of text.split('\n')) {
    const found = /^[0-9a-f ]{16} (\S) (.+)$/.exec(line);
    if (!found) continue;
    const [, kind, name] = found;
    if (kind === 'U') needed.add(name);
    else if (/[A-ZuVvWw]/.test(kind)) {
      defined.add(name);
      if (!own(name)) faults.push(`${isa}: shares ${name}; only what lies in the namespace of the ISA may be shared`);
    }
  }
  for (const name of needed) {
    if (name.startsWith(`gradclip::isa_${BELOW[isa]}::`)) continue;
    if (/\W/.test(name) && !defined.has(name)) faults.push(`${isa}: needs ${name}; a kernel may call plain C functions only`);
  }
  if (!defined.has(table)) faults.push(`${isa}: expected ${table} among its symbols`);
  return faults;
}

/** Faults in the text of `objdump -h`: code that runs when the add-on is loaded, before the CPU is known. */
export function checkSections(isa, text) {
  const found = /^ *\d+ (\.(?:init_array|ctors|preinit_array)\S*)/m.exec(text);
  return found ? [`${isa}: static initializer (section ${found[1]})`] : [];
}

// Whose last bits differ from one C library to the next. (fma, sqrt, floor and their like have one right result.)
const ROUNDED_AS_IT_LIKES =
  /^(a?(sin|cos|tan)h?|atan2|sincos|exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|cbrt|hypot|erfc?|[lt]gamma)[fl]?$/;

/** Faults in the text of `nm` on an object: functions of the machine's C library that would make bits depend on it. */
export function checkLibm(name, text) {
  const needed = [...text.matchAll(/^ *U (\w+)/gm)].map(([, symbol]) => symbol);
  return needed.filter((symbol) => ROUNDED_AS_IT_LIKES.test(symbol)).map((symbol) => `${name}: calls ${symbol} of the C library`);
}

function tool(name, ...args) {
  const run = spawnSync(name, args, { encoding: 'utf8', maxBuffer: 1 << 30 });
  if (run.status !== 0) throw new Error(`${name} ${args.join(' ')}: ${run.error?.message ?? run.stderr}`);
  return run.stdout;
}

function objects(folder) {
  if (!existsSync(folder)) throw new Error(`${folder} is not there: build first`);
  const names = readdirSync(folder, { recursive: true });
  return names.filter((name) => name.endsWith('.o')).map((name) => `${folder}/${name}`);
}

function main() {
  const build = process.argv[2] ?? fileURLToPath(new URL('../build', import.meta.url));
  const isas = FAMILIES.find(([first]) => existsSync(`${build}/CMakeFiles/kernels_${first}.dir`));
  if (!isas) throw new Error(`${build} has no kernels of a known processor: build first`);
  // The tools are those of the compiler, which need not compile for this machine.
  const cache = readFileSync(`${build}/CMakeCache.txt`, 'utf8');
  const found = (name) => new RegExp(`^CMAKE_${name}:FILEPATH=(.+)$`, 'm').exec(cache)?.[1] ?? name.toLowerCase();
  const [objdump, nm] = ['OBJDUMP', 'NM'].map(found);
  const disassemble = (file) => tool(objdump, '-dC', '--no-show-raw-insn', file);
  const faults = [];
  let count = 0;
  for (const isa of isas) {
    const files = objects(`${build}/CMakeFiles/kernels_${isa}.dir`);
    count += files.length;
    faults.push(...checkSymbols(isa, tool(nm, '-C', ...files)), ...checkLibm(isa, tool(nm, ...files)));
    for (const file of files) {
      faults.push(...checkDisassembly(isa, disassemble(file)), ...checkSections(isa, tool(objdump, '-h', file)));
    }
  }
  // The rest of the add-on runs everywhere; it may use the standard library, but for what rounds as it likes, so its instructions matter.
  const openmp = existsSync(`${build}/CMakeFiles/gradclip_openmp.dir`) ? ['gradclip_openmp'] : [];
  for (const target of ['gradclip', ...openmp]) {
    for (const file of objects(`${build}/CMakeFiles/${target}.dir`)) {
      count++;
      faults.push(...checkDisassembly(isas[0], disassemble(file)), ...checkLibm(target, tool(nm, file)));
    }
  }
  for (const fault of faults) console.error(fault);
  console.log(`check-isa: ${count} objects of ${isas.join(', ')}, ${faults.length} faults`);
  process.exitCode = faults.length > 0 || count <= isas.length ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();

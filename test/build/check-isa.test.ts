// check-isa.test.ts: the object check finds what it is there for, on listings as objdump and nm print them.
import { describe, expect, it } from 'vitest';

type Check = (isa: string, listing: string) => string[];
const script = new URL('../../scripts/check-isa.mjs', import.meta.url).href;
const { checkDisassembly, checkLibm, checkSections, checkSymbols } = (await import(script)) as Record<string, Check>;

const listing = (...lines: string[]): string =>
  ['0000000000000000 <gradclip::map(gradclip::Args const&)>:', ...lines.map((line, i) => `    ${i}0:\t${line}`)].join('\n');

describe('instructions', () => {
  const cases: [what: string, line: string, x86_64: boolean, avx2: boolean, avx512: boolean, bf16: boolean][] = [
    ['SSE2', 'addps  %xmm1,%xmm0', true, true, true, true],
    ['a string instruction with its prefix', 'rep stos %al,%es:(%rdi)', true, true, true, true],
    ['a name that only begins like AVX', 'verr   %ax', true, true, true, true],
    ['VEX on 128 bits', 'vaddss %xmm1,%xmm0,%xmm0', false, true, true, true],
    ['VEX without a vector register', 'vzeroupper', false, true, true, true],
    ['BMI2', 'shlx   %rax,%rbx,%rcx', false, true, true, true],
    ['AVX2', 'vfmadd231ps (%rax),%ymm1,%ymm0', false, true, true, true],
    ['AVX-512', 'vaddps %zmm1,%zmm0,%zmm0', false, false, true, true],
    ['a mask register', 'kmovw  %k1,%eax', false, false, true, true],
    ['a register that only EVEX reaches', 'vmovaps %ymm16,%ymm0', false, false, true, true],
    ['products of bf16', 'vdpbf16ps (%rax){1to16},%zmm1,%zmm0', false, false, false, true],
    ['rounding to bf16', 'vcvtne2ps2bf16 %zmm1,%zmm2,%zmm0', false, false, false, true],
  ];
  it.each(cases)('%s', (_, line, ...allowed) => {
    const seen = ['x86_64', 'avx2', 'avx512', 'avx512bf16'].map(
      (isa) => checkDisassembly!(isa, listing('push   %rbp', line, 'ret')).length === 0,
    );
    expect(seen).toEqual(allowed);
  });
  it.each([
    ['fma on four lanes', 'fmla\tv0.4s, v1.4s, v2.4s', true],
    ['halves that are converted', 'fcvtl\tv0.4s, v1.4h', true],
    ['integers of 16 bits', 'add\tv0.8h, v1.8h, v2.8h', true],
    ['bits that are put into another register', 'bfxil\tx0, x1, #0, #32', true],
    ['a store that may fail', 'stlxr\tw1, w2, [x0]', true],
    ['a hint that older processors pass over', 'paciasp', true],
    ['a name that only begins like an atomic', 'ldaxr\tw0, [x1]', true],
    ['an atomic that is one instruction', 'ldaddal\tw1, w2, [x0]', false],
    ['compare and swap', 'casal\tw1, w2, [x0]', false],
    ['compare and swap of a pair', 'caspal\tx0, x1, x2, x3, [x4]', false],
    ['a weaker load', 'ldapr\tw0, [x1]', false],
    ['products of bytes', 'sdot\tv0.4s, v1.16b, v2.16b', false],
    ['halves that are added', 'fadd\tv0.8h, v1.8h, v2.8h', false],
    ['one half that is multiplied', 'fmul\th0, h1, h2', false],
    ['bfloat16', 'bfmmla\tv0.4s, v1.8h, v2.8h', false],
    ['SVE', 'fmla\tz0.s, p0/m, z1.s, z2.s', false],
    ['a load of SVE', 'ld1w\t{z0.s}, p0/z, [x0]', false],
    ['AES', 'aese\tv0.16b, v1.16b', false],
  ])('of 64-bit ARM: %s', (_, line, allowed) => {
    expect(checkDisassembly!('neon', listing('mov\tx0, x1', line, 'ret')).length === 0).toBe(allowed);
  });
  it('names the function', () => {
    expect(checkDisassembly!('avx2', listing('vaddps %zmm1,%zmm0,%zmm0'))[0]).toBe(
      'avx2: gradclip::map(gradclip::Args const&): vaddps %zmm1,%zmm0,%zmm0 is not of this ISA',
    );
  });
});

describe('symbols', () => {
  const good = [
    '                 U memset',
    '0000000000000040 t gradclip::isa_avx2::helper(float*)',
    '0000000000000080 T gradclip::isa_avx2::map(gradclip::Args const&)',
    '0000000000000000 u gradclip::isa_avx2::Variants<gradclip::isa_avx2::Sgd>::kEach',
    '                 U gradclip::isa_avx2::map(gradclip::Args const&)',
    '0000000000000000 R gradclip::table_avx2',
  ];
  const faults = (...more: string[]): string[] => checkSymbols!('avx2', [...good, ...more].join('\n'));

  it('accepts a table and what lies in its namespace', () => {
    expect(faults()).toEqual([]);
  });
  it.each([
    ['a template instance', '0000000000000000 W std::vector<float>::push_back(float&&)', 'shares'],
    ['an inline variable', '0000000000000000 u gradclip::cache', 'shares'],
    ['a global outside the namespace', '0000000000000080 T gradclip::helper()', 'shares'],
    ['what another ISA shares', '0000000000000080 T gradclip::isa_avx512::map(gradclip::Args const&)', 'shares'],
    ['a kernel that no unit defines', '                 U gradclip::isa_avx2::lost(gradclip::Args const&)', 'plain C'],
    ['a C++ library call', '                 U operator new(unsigned long)', 'plain C'],
  ])('refuses %s', (_, line, message) => {
    expect(faults(line)).toHaveLength(1);
    expect(faults(line)[0]).toContain(message);
  });
  it('an ISA over another one may need kernels of that one, and defines none', () => {
    const own = [
      '0000000000000080 T gradclip::isa_avx512bf16::matmul(gradclip::Args const&)',
      '0000000000000000 R gradclip::table_avx512bf16',
    ];
    const text = (...more: string[]): string => [...own, ...more].join('\n');
    expect(checkSymbols!('avx512bf16', text('                 U gradclip::isa_avx512::map(gradclip::Args const&)'))).toEqual([]);
    expect(checkSymbols!('avx512bf16', text('0000000000000080 T gradclip::isa_avx512::map(gradclip::Args const&)'))).toHaveLength(
      1,
    );
    expect(checkSymbols!('avx512bf16', text('                 U gradclip::isa_avx2::map(gradclip::Args const&)'))).toHaveLength(
      1,
    );
  });
  it('misses the table', () => {
    expect(checkSymbols!('avx512', good.join('\n')).at(-1)).toContain('expected gradclip::table_avx512');
  });
});

it('finds static initializers', () => {
  const section = (name: string): string => `Sections:\nIdx Name          Size\n  5 ${name}   00000008  0000000000000000`;
  expect(checkSections!('avx2', section('.rodata'))).toEqual([]);
  expect(checkSections!('avx2', section('.init_array'))).toHaveLength(1);
});

it("functions whose last bits are the C library's own", () => {
  const text = ['memset', 'fma', 'sqrt', 'floorf', 'fmod', 'logic', 'pow', 'expf', 'log1p', 'sincos', 'tanhf'];
  const listing = text.map((name) => `                 U ${name}`).join('\n');
  const found = checkLibm!('gradclip', `0000000000000040 T exp\n${listing}\n                 U cosf@GLIBC_2.2.5`);
  expect(found).toEqual(['pow', 'expf', 'log1p', 'sincos', 'tanhf', 'cosf'].map((f) => `gradclip: calls ${f} of the C library`));
});

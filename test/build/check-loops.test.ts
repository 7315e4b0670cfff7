// check-loops.test.ts: the count of inner loops, on listings as objdump prints them.
import { expect, it } from 'vitest';

interface Count {
  fma: number;
  loads: number;
  others: number;
  spills: number;
  reloads: number;
}
const script = new URL('../../scripts/check-loops.mjs', import.meta.url).href;
const { FAMILIES, checkCounts, countKernels } = (await import(script)) as {
  FAMILIES: Record<'x64' | 'arm64', object>;
  checkCounts: (counts: Map<string, Count>, least: Record<string, number>) => string[];
  countKernels: (text: string, family: object) => Map<string, Count>;
};

/** A listing of one function: each line is an instruction, 4 bytes; `L2` in it stands for the address of line 2. */
function listing(name: string, lines: string[]): string {
  const address = (line: number): string => (4 * line).toString(16);
  const code = lines.map(
    (line, i) => `   ${address(i)}:\t${line.replace(/L(\d+)/, (_, to) => `${address(Number(to))} <f+0x${address(Number(to))}>`)}`,
  );
  return [`0000000000000000 <void gradclip::isa_x::${name}(long)>:`, ...code, ''].join('\n');
}

const arm = [
  'stp\tx29, x30, [sp, #-16]!',
  'cbz\tx0, L9',
  'ldp\tq0, q1, [x1], #32', // the loop
  'ldr\tq2, [x2]',
  'fmla\tv16.4s, v0.4s, v2.s[0]',
  'fmla\tv17.4s, v1.4s, v2.s[0]',
  'ldr\tx5, [x29, #8]', // x29 is a pointer like any other here
  'subs\tx0, x0, #0x1',
  'b.ne\tL2  // b.any',
  'ldp\tx29, x30, [sp], #16',
  'ret',
];

it('counts registers loaded, in 64-bit ARM', () => {
  const counts = countKernels(listing('micro<false, 3, 12>', arm), FAMILIES.arm64);
  expect(Object.fromEntries(counts)).toEqual({ 'micro<false, 3, 12>': { fma: 2, loads: 3, others: 3, spills: 0, reloads: 0 } });
});

it('tells vector registers on the stack from addresses there', () => {
  const spilled = [...arm.slice(0, 6), 'str\tq16, [sp, #32]', 'ldr\tx3, [sp, #8]', 'b.ne\tL2  // b.any', 'ret'];
  expect(countKernels(listing('by_tap<3, 4, 2, true>', spilled), FAMILIES.arm64).get('by_tap<3, 4, 2, true>')).toEqual({
    fma: 2,
    loads: 3,
    others: 3,
    spills: 1,
    reloads: 1,
  });
});

it('takes a frame pointer for the stack where it is one', () => {
  const framed = ['mov\tx29, sp', ...arm.slice(1)];
  expect(countKernels(listing('micro<true, 0, 1>', framed), FAMILIES.arm64).get('micro<true, 0, 1>')?.reloads).toBe(1);
});

it('counts operands in memory, in x86', () => {
  const code = [
    'test   %rdi,%rdi',
    'je     L8',
    'vmovups (%rsi),%zmm1', // the loop
    'vbroadcastss 0x4(%rdx,%rcx,4),%zmm2',
    'vfmadd231ps %zmm1,%zmm2,%zmm0',
    'vfmadd231ps 0x8(%rdx){1to16},%zmm1,%zmm3',
    'vmovaps %zmm4,0x40(%rsp)',
    'jne    L2',
    'ret',
  ];
  expect(countKernels(listing('by_channel<14, 2>', code), FAMILIES.x64).get('by_channel<14, 2>')).toEqual({
    fma: 2,
    loads: 3,
    others: 2,
    spills: 1,
    reloads: 0,
  });
});

it('finds the inner loop where a block of it lies behind the function, and looks at the worst of equals', () => {
  const code = [
    'mov\tx0, #0x0', // the outer loop begins at 1
    'add\tx3, x3, #0x10',
    'fmla\tv16.4s, v0.4s, v2.s[0]', // the inner one
    'b\tL8',
    'cbnz\tx0, L1',
    'fmla\tv16.4s, v0.4s, v2.s[0]', // another one
    'cbnz\tx1, L5',
    'ret',
    'ldr\tq0, [sp, #16]', // of the first one
    'cbnz\tx2, L2',
    'b\tL4',
  ];
  expect(countKernels(listing('rec_panel<F32, 10, true>', code), FAMILIES.arm64).get('rec_panel<F32, 10, true>')).toEqual({
    fma: 1,
    loads: 1,
    others: 2,
    spills: 1,
    reloads: 0,
  });
});

it('looks at micro-kernels alone', () => {
  expect([...countKernels(listing('micro_steps<3>', arm), FAMILIES.arm64).keys()]).toEqual([]);
});

it.each([
  ['nothing', { fma: 96, loads: 20, others: 9, spills: 0, reloads: 3 }, /^$/],
  [
    'spills',
    { fma: 96, loads: 20, others: 9, spills: 1, reloads: 0 },
    /^micro<1>: 1 vector registers go over the stack in the loop$/,
  ],
  ['reloads', { fma: 96, loads: 20, others: 9, spills: 0, reloads: 4 }, /^micro<1>: 4 addresses or counters/],
  ['loads', { fma: 96, loads: 24, others: 9, spills: 0, reloads: 0 }, /^micro<1>: 4.00 fma to a register loaded, expected 4.8$/],
])('finds fault with %s', (_, count, fault) => {
  expect(checkCounts(new Map([['micro<1>', count]]), { 'micro<1>': 4.8 }).join('\n')).toMatch(fault);
});

it('misses a micro-kernel that is not there', () => {
  expect(checkCounts(new Map(), { 'micro<1>': 4.8 })).toEqual(['micro<1>: no such micro-kernel, or it has no loop with an fma']);
});

// kept.ts: the hashes of golden/runs/engines.json. Kernels with fma have the same bits on every instruction set, the x86-64 baseline has its own.
export type Kept = Readonly<Record<'fma' | 'baseline', Readonly<Record<string, string>>>>;

export const bitsOf = (isa: string): keyof Kept => (isa === 'x86_64' ? 'baseline' : 'fma');

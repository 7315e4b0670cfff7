// faults.ts: faults that torture must find: each puts one text of the sources in place of another.
export interface Fault {
  /** What is wrong with it. */
  readonly what: string;
  readonly file: string;
  /** Occurs once in the file. */
  readonly find: string;
  readonly replace: string;
  /** So many programs at most until it is found. */
  readonly within: number;
}

export const FAULTS: Readonly<Record<string, Fault>> = {
  packing: {
    what: 'teams that divide the batch pack a share of V each, which nobody else completes',
    file: 'binding/kernels/gemm.h',
    find: 'const Range mine = direct_v ? Range{0, 0} : packing.mine(ks.count * panels);',
    replace:
      'const Parts shares = parts_of(ks.count * panels, 1, at.gm);\n' +
      '    const Range mine = direct_v ? Range{0, 0} : Range{shares.begin(at.rm), shares.begin(at.rm + 1)};',
    within: 200,
  },
};

/** The text of a file with the fault in it. @throws Error unless what it replaces is there, once */
export function planted(name: string, text: string): string {
  const { file, find, replace } = FAULTS[name]!;
  const times = text.split(find).length - 1;
  if (times !== 1) throw new Error(`fault ${name}: ${file} has ${times} times what it replaces: ${find}`);
  return text.replace(find, () => replace);
}

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
    file: 'binding/kernels/product/gemm.h',
    find: 'const Range mine = direct_v ? Range{0, 0} : packing.mine(ks.count * panels);',
    replace:
      'const Parts shares = parts_of(ks.count * panels, 1, at.gm);\n' +
      '    const Range mine = direct_v ? Range{0, 0} : Range{shares.begin(at.rm), shares.begin(at.rm + 1)};',
    within: 200,
  },
  barrier: {
    what: 'a team multiplies what it packs together without waiting for each other',
    file: 'binding/kernels/product/gemm.h',
    find: 'if (!direct_v) packing.packed();',
    replace: '',
    within: 1000,
  },
  scratch: {
    what: 'the gradient of norms adds to scratch that nobody has set to 0',
    file: 'binding/kernels/norm/row_norm.h',
    find: 'if (parts) memset(partial + b * parts * n, 0, parts * n * sizeof(float));',
    replace: '',
    within: 1000,
  },
  sum: {
    what: 'norms of gradients are joined in as many parts as there are threads',
    file: 'binding/kernels/gradient/statistics.h',
    find: 'for (int64_t b = s.start[i]; b < s.start[i + 1]; b++) value = join(value, partial[b].value), wrong |= partial[b].bad != 0;',
    replace:
      'const int64_t blocks = s.start[i + 1] - s.start[i];\n' +
      '      for (int64_t k = 0; k < team.size; k++) {\n' +
      '        double part = 0;\n' +
      '        for (int64_t b = s.start[i] + blocks * k / team.size; b < s.start[i] + blocks * (k + 1) / team.size; b++)\n' +
      '          part = join(part, partial[b].value), wrong |= partial[b].bad != 0;\n' +
      '        value = join(value, part);\n' +
      '      }',
    within: 1000,
  },
  tail: {
    what: 'the shorter last batch of an epoch counts as many rows as the others',
    file: 'lib/train/feed/feeder.ts',
    find: 'part(equal, 1, tail)',
    replace: 'part(equal, 1, batchSize)',
    within: 1000,
  },
  policy: {
    what: 'the state of clip policies is in no checkpoint',
    file: 'lib/optim/apply/apply.ts',
    find: '?? { name, type, ...(init && { init }) };',
    replace: "?? { name, type, ...(init && { init }), ...(name.startsWith('clip.') && { transient: true }) };",
    within: 1000,
  },
};

/** The text of a file with the fault in it. @throws Error unless what it replaces is there, once */
export function planted(name: string, text: string): string {
  const { file, find, replace } = FAULTS[name]!;
  const times = text.split(find).length - 1;
  if (times !== 1) throw new Error(`fault ${name}: ${file} has ${times} times what it replaces: ${find}`);
  return text.replace(find, () => replace);
}

// faults.ts: faults that torture must find: each puts one text of the sources in place of another.
import type { Change } from '../../mutate/change.ts';

export interface Fault extends Change {
  /** What is wrong with it. */
  readonly what: string;
  /** So many programs at most until it is found. */
  readonly within: number;
}

export const FAULTS: Readonly<Record<string, Fault>> = {
  packing: {
    what: 'teams that divide the batch pack a share of V each, which nobody else completes',
    file: 'binding/kernels/product/gemm_columns.h',
    before: 'const Range mine = direct_v ? Range{0, 0} : packing.mine(ks.count * panels);',
    after:
      'const Parts shares = parts_of(ks.count * panels, 1, at.gm);\n' +
      '    const Range mine = direct_v ? Range{0, 0} : Range{shares.begin(at.rm), shares.begin(at.rm + 1)};',
    within: 200,
  },
  barrier: {
    what: 'a team multiplies what it packs together without waiting for each other',
    file: 'binding/kernels/product/gemm_columns.h',
    before: 'if (!direct_v) packing.packed();',
    after: '',
    within: 1000,
  },
  scratch: {
    what: 'the gradient of norms adds to scratch that nobody has set to 0',
    file: 'binding/kernels/norm/row_norm.h',
    before: 'if (parts) memset(partial + b * parts * n, 0, parts * n * sizeof(float));',
    after: '',
    within: 1000,
  },
  sum: {
    what: 'norms of gradients are joined in as many parts as there are threads',
    file: 'binding/kernels/gradient/statistics.h',
    before:
      'for (int64_t b = s.start[i]; b < s.start[i + 1]; b++) value = join(value, partial[b].value), wrong |= partial[b].bad != 0;',
    after:
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
    before: 'rows: ({ i }) => (i < whole ? batchSize : tail),',
    after: 'rows: () => batchSize,',
    within: 1000,
  },
  policy: {
    what: 'the state of clip policies is in no checkpoint',
    file: 'lib/optim/apply/apply.ts',
    before: '...(scratch && { scratch }),',
    after: "...(name.startsWith('clip.') && { transient: true }),",
    within: 1000,
  },
};

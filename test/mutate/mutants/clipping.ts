// clipping.ts: of the clip policies.
import type { Mutants } from '../mutant.ts';

export const CLIPPING: Mutants = {
  'a spike counts in a mean as it is': {
    file: 'lib/clip/young.ts',
    before: 'const capped = cap === Infinity ? norm : where(equal(mean, 0), norm, minimum(norm, mul(cap, mean)));',
    after: 'const capped = cap === Infinity ? norm : where(equal(mean, 0), norm, norm);',
    tests: ['test/clip/follows.test.ts'],
  },
  'the bound of the warm-up is let go at once': {
    file: 'lib/clip/young.ts',
    before: 'mul(absolute, pow(GROWTH, sub(steps, warmup)))',
    after: 'mul(1e30, pow(GROWTH, sub(steps, warmup)))',
    tests: ['test/clip/exploding-rnn.test.ts test/clip/policies.test.ts test/clip/young-policies.test.ts'],
  },
  'a norm at the threshold is scaled': {
    file: 'lib/clip/measure.ts',
    before: 'where(maximum(lessEqual(norm, threshold), equal(threshold, Infinity)), 1, div(threshold, norm))',
    after: 'where(equal(threshold, Infinity), 1, div(threshold, norm))',
    tests: ['test/clip/clip.test.ts', 'globalNorm p=2 '],
  },
  "torch's formula gives NaN for a threshold of Infinity": {
    file: 'lib/clip/policies/norm.ts',
    before: 'where(equal(c, Infinity), 1, minimum(1, div(c, add(norm, 1e-6))))',
    after: 'minimum(1, div(c, add(norm, 1e-6)))',
    tests: ['test/clip/table.test.ts test/clip/clip.test.ts'],
  },
  "torch's formula has another epsilon": {
    file: 'lib/clip/policies/norm.ts',
    before: 'minimum(1, div(c, add(norm, 1e-6)))',
    after: 'minimum(1, div(c, add(norm, 1e-7)))',
    tests: ['test/clip/clip.test.ts', 'compat'],
  },
  'averageNorm divides by the root of the size': {
    file: 'lib/clip/policies/norm.ts',
    before: "'averageNorm', readAverageNorm(arguments), (size) => Math.max(1, size))",
    after: "'averageNorm', readAverageNorm(arguments), (size) => Math.sqrt(Math.max(1, size)))",
    tests: ['test/clip/clip.test.ts', 'averageNorm '],
  },
  'the norm after a clip of each tensor is that of the largest': {
    file: 'lib/clip/measure.ts',
    before: 'normAfter: each ? joined(mul(m.each, scale), m.p) : mul(m.total, scale),',
    after: 'normAfter: each ? max(mul(m.each, scale)) : mul(m.total, scale),',
    tests: ['test/clip/clip.test.ts', 'perTensorNorm'],
  },
  'the reported scale of several is the first': {
    file: 'lib/clip/measure.ts',
    before: 'scale: each ? min(scale) : scale,',
    after: 'scale: each ? max(scale) : scale,',
    tests: ['test/clip/clip.test.ts', 'the reported scale'],
  },
  'a policy remembers what is not finite': {
    file: 'lib/clip/measure.ts',
    before: 'where(m.finite, value, now)',
    after: 'value',
    tests: ['test/clip/young-policies.test.ts test/clip/table.test.ts test/clip/faults.test.ts'],
  },
  'ZClip does not divide the sum of squares at the end of its warm-up': {
    file: 'lib/clip/policies/zclip.ts',
    before: 'where(equal(count, warmup), div(squares, warmup), squares)',
    after: 'where(equal(count, warmup), div(squares, warmup + 1), squares)',
    tests: ['test/clip/policies.test.ts test/clip/table.test.ts'],
  },
  'ZClip takes in what it clipped as it came': {
    file: 'lib/clip/policies/zclip.ts',
    before: 'const taken = where(spike, target, n);',
    after: 'const taken = n;',
    tests: ['test/clip/policies.test.ts test/clip/table.test.ts'],
  },
  'spikeSkip begins a step late': {
    file: 'lib/clip/policies/spike-skip.ts',
    before: 'where(lessEqual(warmup, filled), add(mean, mul(k, sd)), Infinity)',
    after: 'where(less(warmup, filled), add(mean, mul(k, sd)), Infinity)',
    tests: ['test/clip/policies.test.ts', 'spikeSkip'],
  },
  'spikeSkip skips every loss above a mean below 0': {
    file: 'lib/clip/policies/spike-skip.ts',
    before: 'where(less(mean.now, 0), 2 - k, k)',
    after: 'where(less(mean.now, 0), k, k)',
    tests: ['test/train/watch/signs.test.ts'],
  },
  "spikeSkip learns from a spike's loss that is not finite": {
    file: 'lib/clip/policies/spike-skip.ts',
    before: 'const known = where(equal(x, x), m.finite, 0);',
    after: 'const known = m.finite;',
    tests: ['test/train/watch/signs.test.ts'],
  },
  "a quantile's threshold moves the wrong way": {
    file: 'lib/clip/policies/track.ts',
    before: 'exp(mul(-eta, sub(each ? mean(below) : below, gamma)))',
    after: 'exp(mul(eta, sub(each ? mean(below) : below, gamma)))',
    tests: ['test/clip/table.test.ts test/clip/policies.test.ts'],
  },
  'runningMean counts from 0': {
    file: 'lib/clip/policies/track.ts',
    before: 'const next = add(average.now, div(sub(norm, average.now), window === Infinity ? count : minimum(count, window)));',
    after:
      'const next = add(average.now, div(sub(norm, average.now), window === Infinity ? add(count, 1) : minimum(count, window)));',
    tests: ['test/clip/policies.test.ts', 'runningMean'],
  },
  "AdaGC's means forget their least norm in the warm-up": {
    file: 'lib/clip/policies/adagc.ts',
    before: 'minimum(gamma.now, after), add(mul(decay',
    after: 'after, add(mul(decay',
    tests: ['test/clip/policies.test.ts test/clip/table.test.ts'],
  },
  'what compression loses is not added to the next gradient': {
    file: 'lib/clip/policies/compress.ts',
    before: 'const xs = written.map((g, t) => add(errors[t]!, g));',
    after: 'const xs = written;',
    tests: ['test/clip/table.test.ts test/clip/policies.test.ts'],
  },
  'top-k of a small tensor keeps nothing': {
    file: 'lib/clip/policies/compress.ts',
    before: '(n === 0 ? 0 : Math.max(1, Math.round(part * n)))',
    after: '(n === 0 ? 0 : Math.round(part * n))',
    tests: ['test/clip/table.test.ts'],
  },
  'the share of a group is that of all': {
    file: 'lib/clip/policies/groups.ts',
    before: 'unit[t] = s.unit?.[k] ?? 0;',
    after: 'unit[t] = s.unit?.[0] ?? 0;',
    tests: ['test/clip/table.test.ts'],
  },
};

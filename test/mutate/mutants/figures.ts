// figures.ts: of data, metrics, history.
import type { Mutants } from '../mutant.ts';

export const FIGURES: Mutants = {
  'a loss that rose again is one that fell': {
    file: 'lib/history/learning.ts',
    before: 'if (fell && isBelow(best, last) && isGivenBack(figures)) {',
    after: 'if (fell && isBelow(best, last) && !isGivenBack(figures)) {',
    tests: ['test/history/evidence.test.ts'],
  },
  'half of the weights are most of them': {
    file: 'lib/history/dead.ts',
    before: 'most: lost > MOST * all',
    after: 'most: lost >= MOST * all',
    tests: ['test/history/run-warnings.test.ts'],
  },
  'a batch has its noise twice in the product of means': {
    file: 'lib/history/probe.ts',
    before: 'return (s[whole] - s[own]) / (s.n * (s.n - 1));',
    after: 'return s[whole] / (s.n * s.n);',
    tests: ['test/history/probe.test.ts test/train/run/probe.test.ts'],
  },
  'norms that drift are told of from 36 steps on': {
    file: 'lib/history/warnings.ts',
    before: 'if (third < 10) return null;',
    after: 'if (third < 12) return null;',
    tests: ['test/history/advise.test.ts'],
  },
  'groups go to parts in the order of the shuffle': {
    file: 'lib/data/split.ts',
    before: 'const largest = [...rowsOf.values()].sort((a, b) => b.length - a.length);',
    after: 'const largest = [...rowsOf.values()];',
    tests: ['test/data/split.test.ts'],
  },
  'a rate that five steps stand behind is called a guess': {
    file: 'lib/history/warnings.ts',
    before: 'if (threshold === null || rate === 0 || above >= ABOVE) return null;',
    after: 'if (threshold === null || rate === 0 || above > ABOVE) return null;',
    tests: ['test/history/advise.test.ts'],
  },
  'eps is worth a word only where it takes half': {
    file: 'lib/history/warnings.ts',
    before: 'const EPS_PART = 0.1;',
    after: 'const EPS_PART = 0.5;',
    tests: ['test/history/advise.test.ts'],
  },
  'what rounding leaves goes to the first class': {
    file: 'lib/data/split.ts',
    before: 'sort(([a, i], [b, j]) => b - a || i - j);',
    after: 'sort(([a, i], [b, j]) => i - j);',
    tests: ['test/data/split.test.ts'],
  },
  'pairs with equal scores count as won': {
    file: 'lib/metrics/ranks.ts',
    before: 'wins += (below + upTo) / 2;',
    after: 'wins += upTo;',
    tests: ['test/metrics/metrics-golden.test.ts test/metrics/metrics.test.ts'],
  },
  'scores in one bin count as won': {
    file: 'lib/metrics/ranks.ts',
    before: 'wins += count * (below + negative[i]! / 2);',
    after: 'wins += count * (below + negative[i]!);',
    tests: ['test/metrics/metrics-golden.test.ts test/metrics/metrics.test.ts'],
  },
  'equal scores are thresholds of their own': {
    file: 'lib/metrics/ranks.ts',
    before: 'while (n > 0 && negative[n - 1]! >= s) n--;',
    after: 'while (n > 0 && negative[n - 1]! > s) n--;',
    tests: ['test/metrics/metrics-golden.test.ts test/metrics/metrics.test.ts'],
  },
  'R2 of shards loses the distance of their means': {
    file: 'lib/metrics/regression.ts',
    before: '(gap * gap * this.rows * n) / total',
    after: '(gap * gap * this.rows) / total',
    tests: ['test/metrics/metrics-golden.test.ts test/metrics/metrics.test.ts'],
  },
  'R2 of one row is a number': {
    file: 'lib/metrics/regression.ts',
    before: 'if (this.rows < 2) return Number.NaN;',
    after: 'if (this.rows < 1) return Number.NaN;',
    tests: ['test/metrics/metrics-golden.test.ts test/metrics/metrics.test.ts'],
  },
  'a deviation is of n - 1': {
    file: 'lib/data/affine.ts',
    before: 'deviation: Math.sqrt(squares[k]! / each),',
    after: 'deviation: Math.sqrt(squares[k]! / (each - 1)),',
    tests: ['test/data/preprocess.test.ts'],
  },
  'a character of two units is counted as one': {
    file: 'lib/data/tokenizer.ts',
    before: 'position += character.length;',
    after: 'position += 1;',
    tests: ['test/data/tokenizer.test.ts'],
  },
  '257 tokens lie in bytes': {
    file: 'lib/data/tokenizer.ts',
    before: 'return this.size <= 256 ? new Uint8Array(length)',
    after: 'return this.size <= 257 ? new Uint8Array(length)',
    tests: ['test/data/tokenizer.test.ts'],
  },
  'replay takes any recorded norm for the 2-norm': {
    file: 'lib/history/decide.ts',
    before: 'const norm = twoNorms(history);',
    after: 'const { norm } = history;',
    tests: ['test/history/replay.test.ts test/history/record.test.ts'],
  },
  "a replay's counters begin anew in each chunk": {
    file: 'lib/history/decide.ts',
    before: 'counters = { attempt: result.attempt, stepCount: result.stepCount, skips: result.skips };',
    after: 'counters = { attempt: 0, stepCount: 0, skips: result.skips };',
    tests: ['test/history/replay.test.ts'],
  },
};

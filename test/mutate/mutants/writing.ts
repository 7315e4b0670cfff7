// writing.ts: faults in what a model writes: draws, ends, what is kept from token to token and from text to text.
import type { Mutants } from '../mutant.ts';

const GENERATE = 'test/train/generate';

export const WRITING: Mutants = {
  'a share of the probability takes one token too many': {
    file: 'lib/train/generate/draw.ts',
    before: '(sum < wanted || equals === 0)',
    after: '(sum <= wanted || equals === 0)',
    tests: [`${GENERATE}/draw.test.ts`],
  },
  'of equal tokens too few are drawn from': {
    file: 'lib/train/generate/draw.ts',
    before: 'while (equals < k && ',
    after: 'while (equals < k - 1 && ',
    tests: [`${GENERATE}/draw.test.ts ${GENERATE}/generate.test.ts`],
  },
  'rows of a batch have the draws of the first': {
    file: 'lib/train/generate/write.ts',
    before: 'new Text(prompt, how, how.row + r, stops)',
    after: 'new Text(prompt, how, how.row, stops)',
    tests: [`${GENERATE}/texts.test.ts`],
  },
  'of two ends at the same token the shorter one counts': {
    file: 'lib/train/generate/stop.ts',
    before: 'w.length - Math.max(...found)',
    after: 'w.length - Math.min(...found)',
    tests: [`${GENERATE}/stop.test.ts`],
  },
  'a text is looked for in what is no whole character yet': {
    file: 'lib/train/generate/stop.ts',
    before: "written.replace(/\\ufffd+$/, '')",
    after: 'written',
    tests: [`${GENERATE}/stop.test.ts`],
  },
  'a text that onToken ends by an error keeps its memory': {
    file: 'lib/train/generate/generate.ts',
    before: 'await texts.return();',
    after: '',
    tests: [`${GENERATE}/texts.test.ts`],
  },
  'beyond the context tokens are taken for later than they are': {
    file: 'lib/train/generate/next.ts',
    before: 'if (given !== tokens) held.fill(0);',
    after: '',
    tests: [`${GENERATE}/decode.test.ts`],
  },
  'the last token of a padded row is that of the longest': {
    file: 'lib/train/generate/next.ts',
    before: 'r * time + Math.max(0, row.length - 1)',
    after: 'r * time + time - 1',
    tests: [`${GENERATE}/decode.test.ts`],
  },
  'a model that was changed writes as before': {
    file: 'lib/train/generate/writers.ts',
    before: 'if (kept?.weights.fits && kept.weights.precision === precision) return kept;',
    after: 'if (kept && kept.weights.precision === precision) return kept;',
    tests: [`${GENERATE}/texts.test.ts`],
  },
  'a recurrent model goes on from the text before': {
    file: 'lib/train/generate/next.ts',
    before: 'reset: () => program.reset(),',
    after: 'reset: () => {},',
    tests: [`${GENERATE}/texts.test.ts`],
  },
};

// weights.ts: of how weights come in and go out.
import type { Mutants } from '../mutant.ts';

const WRITE = 'test/train/state/write-parameters.test.ts';
const FOREIGN = 'test/train/state/foreign.test.ts';

export const WEIGHTS: Mutants = {
  'values that go round are read as they are written': {
    file: 'lib/train/state/transfer.ts',
    before: '(round && origin.state ? data.slice() : data)',
    after: 'data',
    tests: [WRITE],
  },
  'arrays are not copied when they are given': {
    file: 'lib/train/state/transfer.ts',
    before: 'const own = kept ? data : data.slice();',
    after: 'const own = data;',
    tests: [WRITE],
  },
  'reset forgets the moments of all parameters': {
    file: 'lib/train/state/transfer.ts',
    before: 'states.has(p.state) ? [...of].filter(',
    after: 'states.size > 0 ? [...of].filter(',
    tests: [WRITE],
  },
  'reset keeps the moments': {
    file: 'lib/train/state/transfer.ts',
    before: 'store.reset(slots.map(([, state]) => state));',
    after: 'store.reset([]);',
    tests: [WRITE],
  },
  'reset keeps the count of steps': {
    file: 'lib/train/state/transfer.ts',
    before: '[p, states.has(p.state) ? step : s]',
    after: '[p, s]',
    tests: [WRITE],
  },
  'the shortest prefix counts': {
    file: 'lib/train/state/naming.ts',
    before: '(a, b) => b.length - a.length',
    after: '(a, b) => a.length - b.length',
    tests: [FOREIGN],
  },
  'a file beside the index may lie above it': {
    file: 'lib/io/arrays/safetensors-shards.ts',
    before: '!/[/\\\\:\\x00-\\x1f]/.test(file)',
    after: '!/[:\\x00-\\x1f]/.test(file)',
    tests: [FOREIGN],
  },
  'each file of an index has the whole limit': {
    file: 'lib/io/arrays/safetensors-shards.ts',
    before: 'left -= size;',
    after: 'left -= 0;',
    tests: [FOREIGN],
  },
  'what lies transposed is read as it lies': {
    file: 'lib/io/arrays/transpose.ts',
    before: 'out[j * rows + i] = data[i * columns + j]!',
    after: 'out[i * columns + j] = data[i * columns + j]!',
    tests: [`${FOREIGN} test/golden/models/gpt2.test.ts`],
  },
  'a snapshot has no course': {
    file: 'lib/train/state/snapshot.ts',
    before: 'metadata: {}, progress }',
    after: 'metadata: {}, progress: { ...progress, course: null } }',
    tests: ['test/resume/resume.test.ts', 'early stop'],
  },
  'a head of its own is taken for the table': {
    file: 'lib/models/gpt2-weights.ts',
    before: 'head.data.every((v, i) => Object.is(v, table.data[i]))',
    after: 'head.data.length > 0',
    tests: ['test/golden/models/gpt2.test.ts'],
  },
};

// gpt-nano.ts: two blocks of width 24 predict the next character of sentences.
import { GPT, gptLoss } from '../../../models/gpt.ts';
import { windows } from '../../../train/feed/source.ts';
import { ofText } from '../../data/ignorant.ts';
import { LETTERS, text } from '../../data/text.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

export const GPT_NANO: LabWorkload = workload<GPT>({
  name: 'gpt-nano',
  about: 'two transformer blocks of width 24 predict the next of 27 characters, 24 at a time',
  kind: 'transformer',
  traits: [],
  steps: 150,
  batchSize: 12,
  optimizers: rates(0.1, 1e-2),
  data: (seed) =>
    threeSets(seed, { train: 20_000, validation: 3000, test: 6000 }, (next, length) =>
      windows(text(next, length + 1).slice(0, length), { length: 24 }),
    ),
  model: () => new GPT(LETTERS, { context: 24, layers: 2, heads: 2, width: 24 }),
  loss: gptLoss as never,
  ignorant: ofText,
});

// characters.ts: char-rnn, char-lstm and char-gru: recurrent networks that predict the next character of sentences.
import { CharRNN, charRnnLoss } from '../../../models/char-rnn.ts';
import { windows } from '../../../train/feed/source.ts';
import { ofText } from '../../data/ignorant.ts';
import { LETTERS, text } from '../../data/text.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

const characters = (kind: 'rnn' | 'lstm' | 'gru', about: string, optimizers: LabWorkload['optimizers']): LabWorkload =>
  workload<CharRNN>({
    name: `char-${kind}`,
    about,
    kind: 'recurrent',
    traits: [],
    steps: 250,
    batchSize: 16,
    optimizers,
    data: (seed) =>
      threeSets(seed, { train: 20_000, validation: 3000, test: 6000 }, (next, length) =>
        windows(text(next, length + 1).slice(0, length), { length: 24 }),
      ),
    model: () => new CharRNN(LETTERS, { kind, embedding: 12, hidden: 32 }),
    loss: charRnnLoss as never,
    ignorant: ofText,
  });

export const CHAR_RNN: LabWorkload = characters(
  'rnn',
  'tanh RNN of 32 units predicts the next of 27 characters, 24 at a time',
  rates(0.3, 1e-2),
);
export const CHAR_LSTM: LabWorkload = characters(
  'lstm',
  'LSTM of 32 units predicts the next of 27 characters, 24 at a time',
  rates(1, 3e-2),
);
export const CHAR_GRU: LabWorkload = characters(
  'gru',
  'GRU of 32 units predicts the next of 27 characters, 24 at a time',
  rates(0.3, 1e-2),
);

// recurrent.ts: RNN, LSTM and GRU: layers, directions, states given and taken.
import { CharRNN } from '../../../lib/models/index.ts';
import { GRU, GRUCell, LSTM, LSTMCell, RNN, RNNCell } from '../../../lib/nn/index.ts';
import { type ParityCase, parity } from '../case.ts';

const x = { shape: [3, 6, 5] };
const h = { shape: [4, 3, 7] };
const [row, state] = [{ shape: [3, 5] }, { shape: [3, 7] }];
const characters = { shape: [3, 6], below: 11 };
const small = { embedding: 5, hidden: 7, layers: 2 };
export const RECURRENT: Readonly<Record<string, ParityCase>> = {
  rnn: parity({ module: () => new RNN(5, 7), inputs: { x }, run: (m, i) => ({ y: m.forward(i.x!).output }) }),
  rnnDeep: parity({
    module: () => new RNN(5, 7, { numLayers: 2, bidirectional: true, nonlinearity: 'relu' }),
    inputs: { x, h },
    run: (m, i) => {
      const { output, h } = m.forward(i.x!, { h: i.h! });
      return { y: output, h };
    },
  }),
  lstm: parity({ module: () => new LSTM(5, 7), inputs: { x }, run: (m, i) => ({ y: m.forward(i.x!).output }) }),
  lstmDeep: parity({
    module: () => new LSTM(5, 7, { numLayers: 2, bidirectional: true }),
    inputs: { x, h, c: h },
    run: (m, i) => {
      const { output, h, c } = m.forward(i.x!, { h: i.h!, c: i.c! });
      return { y: output, h, c };
    },
  }),
  gru: parity({ module: () => new GRU(5, 7), inputs: { x }, run: (m, i) => ({ y: m.forward(i.x!).output }) }),
  gruDeep: parity({
    module: () => new GRU(5, 7, { numLayers: 2, bidirectional: true }),
    inputs: { x, h },
    run: (m, i) => {
      const { output, h } = m.forward(i.x!, { h: i.h! });
      return { y: output, h };
    },
  }),
  rnnCell: parity({
    module: () => new RNNCell(5, 7, { nonlinearity: 'relu' }),
    inputs: { x: row, before: state },
    run: (m, i) => ({ y: m.forward(i.x!, m.forward(i.x!, i.before!)) }),
  }),
  lstmCell: parity({
    module: () => new LSTMCell(5, 7),
    inputs: { x: row, before: state, cell: state },
    run: (m, i) => ({ ...m.forward(i.x!, m.forward(i.x!, { h: i.before!, c: i.cell! })) }),
  }),
  lstmCellZeros: parity({
    module: () => new LSTMCell(5, 7, { bias: false }),
    inputs: { x: row },
    run: (m, i) => ({ ...m.forward(i.x!) }),
  }),
  gruCell: parity({
    module: () => new GRUCell(5, 7),
    inputs: { x: row, before: state },
    run: (m, i) => ({ y: m.forward(i.x!, m.forward(i.x!, i.before!)) }),
  }),
  gruCellPlain: parity({ module: () => new GRUCell(5, 7, { bias: false }), inputs: { x: row } }),
  charRnn: parity({ module: () => new CharRNN(11, { kind: 'rnn', ...small }), inputs: { x: characters } }),
  charLstm: parity({ module: () => new CharRNN(11, small), inputs: { x: characters } }),
  charGru: parity({ module: () => new CharRNN(11, { kind: 'gru', ...small }), inputs: { x: characters } }),
  charLstmWhole: parity({ module: () => new CharRNN(65), inputs: { x: { shape: [32, 128], below: 65 } }, large: true }),
  charGruWhole: parity({
    module: () => new CharRNN(65, { kind: 'gru' }),
    inputs: { x: { shape: [32, 128], below: 65 } },
    large: true,
  }),
};

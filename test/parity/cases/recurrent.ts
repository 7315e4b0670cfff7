// recurrent.ts: RNN, LSTM and GRU: layers, directions, states given and taken.
import { GRU, LSTM, RNN } from '../../../lib/nn/index.ts';
import { type ParityCase, parity } from '../case.ts';

const x = { shape: [3, 6, 5] };
const h = { shape: [4, 3, 7] };
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
};

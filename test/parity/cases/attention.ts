// attention.ts: attention with several heads, transformer layers and stacks, the gpt.
import { GPT } from '../../../lib/models/index.ts';
import {
  MultiheadAttention,
  Transformer,
  TransformerDecoder,
  TransformerDecoderLayer,
  TransformerEncoder,
  TransformerEncoderLayer,
} from '../../../lib/nn/index.ts';
import { type ParityCase, parity } from '../case.ts';

const x = { shape: [2, 5, 8] };
const memory = { shape: [2, 7, 8] };
const small = { dimFeedforward: 12, dropout: 0 } as const;
export const ATTENTION: Readonly<Record<string, ParityCase>> = {
  attentionCausal: parity({
    module: () => new MultiheadAttention(8, 2),
    inputs: { x },
    run: (m, i) => ({ y: m.forward(i.x!, i.x!, i.x!, { causal: true }) }),
  }),
  attentionCross: parity({
    module: () => new MultiheadAttention(8, 2, { bias: false }),
    inputs: { x, memory },
    run: (m, i) => ({ y: m.forward(i.x!, i.memory!, i.memory!) }),
  }),
  encoderLayer: parity({ module: () => new TransformerEncoderLayer(8, 2, small), inputs: { x } }),
  encoder: parity({
    module: () =>
      new TransformerEncoder(() => new TransformerEncoderLayer(8, 2, { ...small, normFirst: true, activation: 'gelu' }), 2),
    inputs: { x },
  }),
  gpt: parity({
    module: () => new GPT(11, { context: 6, layers: 2, heads: 2, width: 8 }),
    inputs: { x: { shape: [3, 5], below: 11 } },
  }),
  gptNano: parity({ module: () => new GPT(65), inputs: { x: { shape: [12, 64], below: 65 } }, large: true }),
  decoder: parity({
    module: () => new TransformerDecoder(() => new TransformerDecoderLayer(8, 2, small), 2),
    inputs: { x, memory },
  }),
  transformer: parity({
    module: () => new Transformer(8, 2, { ...small, numEncoderLayers: 2, numDecoderLayers: 1 }),
    inputs: { src: memory, tgt: x },
    run: (m, i) => ({ y: m.forward(i.src!, i.tgt!) }),
  }),
  transformerCausal: parity({
    module: () => new Transformer(8, 2, { ...small, numEncoderLayers: 1, numDecoderLayers: 2, normFirst: true, bias: false }),
    inputs: { src: memory, tgt: x },
    run: (m, i) => ({ y: m.forward(i.src!, i.tgt!, { tgtCausal: true }) }),
  }),
  decoderLayer: parity({ module: () => new TransformerDecoderLayer(8, 2, small), inputs: { x, memory } }),
};

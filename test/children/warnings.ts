// warnings.ts: codes and messages of the warnings of a training in bf16, on the instruction set that GRADCLIP_ISA names. node warnings.js
import { loss, nn, optim, Trainer } from '../../lib/index.ts';

const trainer = new Trainer({
  model: new nn.Linear(3, 2),
  loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
  optimizer: optim.sgd(),
  precision: 'bf16',
});
const data = {
  x: { data: new Float32Array(24).fill(0.5), shape: [8, 3] },
  y: { data: new Float32Array(16).fill(1), shape: [8, 2] },
};
const { warnings } = await trainer.fit(data, { epochs: 2, batchSize: 4 });
console.log(JSON.stringify(warnings.map(({ code, message }) => `${code}: ${message}`)));

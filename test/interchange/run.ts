// run.ts: `npm run -s interchange -- --python PYTHON [--steps 120]`: ResNet20 trained here and evaluated in PyTorch, and the other way round.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { interchange } from './resnet20.ts';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    steps: { type: 'string', default: '120' },
    batch: { type: 'string', default: '32' },
    test: { type: 'string', default: '512' },
    threads: { type: 'string', default: '2' },
  },
});
const script = fileURLToPath(new URL('../../../test/interchange/resnet20.py', import.meta.url));
const [steps, batch, test, threads] = [values.steps, values.batch, values.test, values.threads].map(Number) as [
  number,
  number,
  number,
  number,
];
const found = await interchange({ python: values.python, script, steps, batch, test, threads });
for (const [where, { accuracy, distance }] of Object.entries(found)) {
  console.log(
    `trained ${where === 'here' ? 'here' : 'by PyTorch'}: accuracy ${accuracy.here} here, ${accuracy.torch} in PyTorch; logits apart by ${distance.toExponential(1)}`,
  );
  if (accuracy.here !== accuracy.torch) process.exitCode = 1;
}

// run.ts: `npm run -s check:networks -- --python PYTHON [--only a,b] [--update]`: the first losses of the networks of examples/networks beside those of the same
// networks in PyTorch, from the same weights and batches. --update keeps PyTorch's for the test suite (../golden/networks/).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type TensorData, writeSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { farthest, type Losses } from './compare.ts';
import { NETWORKS, STEPS } from './list.ts';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    only: { type: 'string' },
    update: { type: 'boolean', default: false },
  },
});
const root = new URL('../../../', import.meta.url);
const names = flags.only?.split(',') ?? Object.keys(NETWORKS);
const folder = mkdtempSync(join(tmpdir(), 'gradclip-networks-'));
let failed = 0;
try {
  const losses = new Map<string, number[]>();
  for (const name of names) losses.set(name, await write(name));
  const script = fileURLToPath(new URL('test/networks/networks.py', root));
  const run = spawnSync(flags.python, [script, folder, ...names], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (run.status !== 0) throw run.error ?? new Error(`${script} ended with ${run.status}`);
  for (const [name, ours] of losses) {
    const theirs = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Losses;
    const far = farthest(ours, theirs.f64);
    const good = far < 1e-4;
    if (!good) failed++;
    const verdict = `${good ? 'agrees' : 'DIFFERS'}: ${far.toExponential(1)} from PyTorch in f64`;
    console.log(`${name}: ${verdict}, its f32 is ${farthest(theirs.f32, theirs.f64).toExponential(1)} from that`);
    if (flags.update && good)
      writeFileSync(new URL(`test/golden/networks/${name}.json`, root), `${JSON.stringify(theirs, null, 1)}\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(`${names.length - failed} networks agree with PyTorch, ${failed} do not`);
process.exitCode = failed > 0 ? 1 : 0;

/** Weights before the first step, and the batch of each. @returns our losses */
async function write(name: string): Promise<number[]> {
  const { network } = await NETWORKS[name]!.load();
  const { model, steps, dispose } = network({ seed: 1, given: true });
  const states = [...model.namedParameters(), ...model.namedBuffers()];
  const tensors = new Map<string, TensorData>(
    states.map(([path, { state, data }]) => [path, { dtype: state.type.dtype, shape: state.type.shape, data }]),
  );
  await writeSafetensors(join(folder, `${name}.safetensors`), tensors, {});
  const losses: number[] = [];
  for (const { part, batch, loss } of steps(STEPS)) {
    const arrays = Object.entries(batch).map(([input, { data, shape }]): [string, TensorData] => {
      return [input, { dtype: data instanceof Int32Array ? 'i32' : 'f32', shape, data }];
    });
    await writeSafetensors(join(folder, `${name}.${losses.length}.safetensors`), new Map(arrays), part ? { part } : {});
    losses.push(loss);
  }
  dispose();
  return losses;
}

// run.ts: `npm run -s parity -- --python PYTHON [--only a,b] [--update | --samples]`: every case against PyTorch in f64, weights through safetensors.
// --update keeps the truths of the small cases for the test suite (../golden/parity/), --samples the norms of single samples' gradients.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readSafetensors, type TensorData, writeSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { type ParityCase, valuesOf } from './case.ts';
import { CASES, truthFile } from './cases/index.ts';
import { compare, type Truth } from './compare.ts';
import { moduleOf, runCase } from './ours.ts';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    only: { type: 'string' },
    update: { type: 'boolean', default: false },
    samples: { type: 'boolean', default: false },
  },
});
const root = new URL('../../../', import.meta.url);
const names = flags.only?.split(',') ?? Object.keys(CASES);
const folder = mkdtempSync(join(tmpdir(), 'gradclip-parity-'));
let failed = 0;
try {
  for (const name of names) await write(name, CASES[name]!);
  if (flags.samples) {
    const small = names.filter((name) => !CASES[name]!.large);
    python('samples.py', folder, fileURLToPath(new URL('test/golden/privacy/samples.json', root)), ...small);
  } else {
    python('parity.py', folder, ...names);
    for (const name of names) await check(name, CASES[name]!);
    console.log(`${names.length - failed} cases agree with PyTorch, ${failed} do not`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = failed > 0 ? 1 : 0;

function python(file: string, ...args: string[]): void {
  const script = fileURLToPath(new URL(`test/parity/${file}`, root));
  const run = spawnSync(flags.python, [script, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (run.status !== 0) throw run.error ?? new Error(`${script} ended with ${run.status}`);
}

/** Weights under their names, as a checkpoint has them; inputs beside them. */
async function write(name: string, of: ParityCase): Promise<void> {
  const module = moduleOf(of);
  const states = [...module.namedParameters(), ...module.namedBuffers()];
  const tensors = new Map<string, TensorData>(
    states.map(([path, { state, data }]) => [path, { dtype: state.type.dtype, shape: state.type.shape, data }]),
  );
  for (const [k, [input, { shape, ...rest }]] of Object.entries(of.inputs).entries()) {
    const data = valuesOf({ shape, ...rest }, k);
    tensors.set(`input:${input}`, { dtype: data instanceof Int32Array ? 'i32' : 'f32', shape, data });
  }
  await writeSafetensors(join(folder, `${name}.safetensors`), tensors, {
    mode: of.mode ?? 'train',
    inputs: Object.keys(of.inputs).join(),
  });
}

async function check(name: string, of: ParityCase): Promise<void> {
  const { tensors, metadata } = await readSafetensors(join(folder, `${name}.truth.safetensors`));
  const truth: Truth = {
    values: new Map([...tensors].map(([key, t]) => [key, t.data as ArrayLike<number>])),
    errors: JSON.parse(metadata.errors!) as Record<string, number>,
  };
  const differences = compare(runCase(of), truth).sort((a, b) => b.error / b.limit - a.error / a.limit);
  const worst = differences[0]!;
  const wrong = differences.filter((d) => !(d.error <= d.limit));
  if (wrong.length > 0) failed++;
  for (const d of wrong.slice(0, 4))
    console.log(`  ${name} ${d.name}: ${d.error.toExponential(1)} above ${d.limit.toExponential(1)}`);
  const verdict = wrong.length > 0 ? 'DIFFERS' : 'agrees';
  console.log(`${name}: ${verdict}, ${differences.length} tensors, worst ${worst.error.toExponential(1)} in ${worst.name}`);
  if (of.large || !flags.update) return;
  const kept = [...tensors].map(([key, { shape, data }]) => {
    return [key, { dtype: 'f32', shape, data: Float32Array.from(data as ArrayLike<number>) }] as const;
  });
  const file = fileURLToPath(new URL(`test/golden/parity/${truthFile(name)}`, root));
  await writeSafetensors(file, new Map<string, TensorData>(kept), { errors: metadata.errors! });
}

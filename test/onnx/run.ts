// run.ts: `npm run -s check:onnx -- [--python PYTHON] [--only a,b] [--opset N]`: every case of parity, every sample of ops and tables as files of
// ONNX, through onnx.checker and onnxruntime (check.py). A Python that has these is made where there is none; where that is not possible, it says so, and
// ends.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeSafetensors } from '../../lib/io/arrays/safetensors.ts';
import type { Sample } from '../../lib/ir/op.ts';
import { OPS } from '../../lib/ops/list.ts';
import { CASES } from '../parity/cases/index.ts';
import { type Arrays, bytesOf, type Check, checkOf, LIMIT, sampleCheck, samplesOf } from './kit.ts';
import { pythonFor, Skip } from './python.ts';
import { errorOf, writeTables } from './tables.ts';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string' },
    only: { type: 'string' },
    opset: { type: 'string', default: '17,23' },
  },
});
const isEmpty = ({ ins: [x] }: Sample<unknown>): boolean => x!.shape.includes(0);
const hasNaN = ({ fill }: Sample<unknown>): boolean =>
  fill?.some((how) => typeof how === 'object' && how !== null && 'exactly' in how && how.exactly.some(Number.isNaN)) ?? false;

/** Samples that onnxruntime has nothing for, or does not survive, by op; and why. */
const BEYOND: Readonly<Record<string, readonly [why: string, is: (sample: Sample<unknown>) => boolean]>> = {
  ...Object.fromEntries(
    ['rnn', 'lstm', 'gru'].map((op) => [op, ['it ends the process where there is no step', ({ ins }) => ins[0]!.shape[1] === 0]]),
  ),
  ...Object.fromEntries(
    ['maxPool', 'avgPool'].map((op) => [
      op,
      ['it pools no planes, and loses NaN', (sample) => isEmpty(sample) || hasNaN(sample)],
    ]),
  ),
  ...Object.fromEntries(['erf', 'gelu'].map((op) => [op, ['it has no Erf of f64', ({ ins }) => ins[0]!.dtype === 'f64']])),
};

const root = fileURLToPath(new URL('../../../', import.meta.url));
const python = pythonOrNothing();
const only = flags.only?.split(',');
const isAsked = (name: string): boolean => !only || only.includes(name);
const opsets = flags.opset.split(',').map(Number);
const folder = mkdtempSync(join(tmpdir(), 'gradclip-onnx-'));
let [failed, files] = [0, 0];
const limits = new Map<string, number>();
try {
  for (const [name, of] of Object.entries(CASES)) {
    if (isAsked(name)) for (const opset of opsets) await write(`${opset}.case.${name}`, checkOf(of, opset));
  }
  for (const op of OPS) {
    if (!op.onnx || !isAsked(op.name)) continue;
    for (const [i, sample] of samplesOf(op).entries()) {
      const [why, isBeyond] = BEYOND[op.name] ?? ['', () => false];
      if (isBeyond(sample)) {
        console.log(`${op.name}, sample ${i}: left out, ${why}`);
        continue;
      }
      for (const opset of opsets) {
        const check = sampleCheck(op, sample, opset);
        if (check) await write(`${opset}.op.${op.name}.${i}`, check);
      }
    }
  }
  const tables = isAsked('tables') ? await writeTables(folder, root) : [];
  files += tables.length;
  const run = spawnSync(python, [join(root, 'test/onnx/check.py'), folder], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
  });
  if (run.status !== 0) throw run.error ?? new Error(`check.py ended with ${run.status}`);
  const tableErrors = new Map<string, number>();
  for (const check of tables) {
    const error = existsSync(join(folder, `${check.name}.out.safetensors`))
      ? await errorOf(folder, check)
      : Number.POSITIVE_INFINITY;
    tableErrors.set(check.name, error);
    console.log(`${check.name}: ${check.told.length} rows, off by ${error.toExponential(1)} from what gradclip predict tells`);
  }
  tell(run.stdout, tableErrors);
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = failed > 0 ? 1 : 0;

function pythonOrNothing(): string {
  try {
    return pythonFor(flags.python, root);
  } catch (error) {
    if (!(error instanceof Skip)) throw error;
    console.log(`skipped: ${error.message}`);
    process.exit(0);
  }
}

async function write(name: string, { model, inputs, outputs, limit }: Check): Promise<void> {
  files++;
  limits.set(name, limit);
  writeFileSync(join(folder, `${name}.onnx`), bytesOf(model));
  const named = (prefix: string, arrays: Arrays) => Object.entries(arrays).map(([key, a]) => [`${prefix}:${key}`, a] as const);
  await writeSafetensors(join(folder, `${name}.safetensors`), new Map([...named('in', inputs), ...named('out', outputs)]));
}

interface Found {
  readonly name: string;
  readonly checker?: string;
  readonly failed?: string;
  readonly error?: number | null;
  readonly worst?: string;
}

function tell(text: string, tableErrors: ReadonlyMap<string, number>): void {
  const [versions, ...lines] = text.trim().split('\n');
  const found = lines.map((line) => JSON.parse(line.replaceAll('Infinity', 'null').replaceAll('NaN', 'null')) as Found);
  if (found.length !== files) throw new Error(`expected ${files} models, got ${found.length}`);
  let worst: Found | null = null;
  for (const one of found) {
    const error = tableErrors.get(one.name) ?? one.error;
    const wrong =
      one.checker ??
      one.failed ??
      (error != null && error <= (limits.get(one.name) ?? LIMIT) ? null : `${one.worst ?? 'what it gives'} is off by ${error}`);
    if (wrong !== null) console.log(`${one.name}: ${wrong}`);
    if (wrong !== null) failed++;
    else if (one.name.includes('.case.') && (!worst || one.error! > worst.error!)) worst = one;
  }
  console.log(`${versions}: ${files - failed} models of ${files} are right, ${failed} are not`);
  if (worst) console.log(`largest distance of a case: ${worst.error!.toExponential(1)} in ${worst.name}`);
}

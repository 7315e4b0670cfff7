// run.ts: `npm run -s check:onnx -- --python PYTHON [--only a,b] [--opset N]`: every case of parity and every sample of ops as files of ONNX, through
// onnx.checker and onnxruntime (check.py).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeSafetensors } from '../../lib/io/arrays/safetensors.ts';
import type { Sample } from '../../lib/ir/op.ts';
import { OPS } from '../../lib/ops/list.ts';
import { CASES } from '../parity/cases/index.ts';
import { type Arrays, bytesOf, type Check, checkOf, sampleCheck, samplesOf } from './kit.ts';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
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

const root = new URL('../../../', import.meta.url);
const only = flags.only?.split(',');
const folder = mkdtempSync(join(tmpdir(), 'gradclip-onnx-'));
let failed = 0;
let files = 0;
const limits = new Map<string, number>();
try {
  for (const opset of flags.opset.split(',').map(Number)) {
    for (const [name, of] of Object.entries(CASES)) {
      if (!only || only.includes(name)) await write(`${opset}.case.${name}`, checkOf(of, opset));
    }
    for (const op of OPS) {
      if (!op.onnx || (only && !only.includes(op.name))) continue;
      for (const [i, sample] of samplesOf(op).entries()) {
        const [why, isBeyond] = BEYOND[op.name] ?? ['', () => false];
        if (isBeyond(sample)) {
          console.log(`${op.name}, sample ${i}, operators of version ${opset}: left out, ${why}`);
          continue;
        }
        const check = sampleCheck(op, sample, opset);
        if (check) await write(`${opset}.op.${op.name}.${i}`, check);
      }
    }
  }
  const script = fileURLToPath(new URL('test/onnx/check.py', root));
  const run = spawnSync(flags.python, [script, folder], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
  });
  if (run.status !== 0) throw run.error ?? new Error(`${script} ended with ${run.status}`);
  tell(run.stdout);
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = failed > 0 ? 1 : 0;

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

function tell(text: string): void {
  const [versions, ...lines] = text.trim().split('\n');
  const found = lines.map((line) => JSON.parse(line.replaceAll('Infinity', 'null').replaceAll('NaN', 'null')) as Found);
  if (found.length !== files) throw new Error(`expected ${files} models, got ${found.length}`);
  let worst: Found | null = null;
  for (const one of found) {
    const wrong =
      one.checker ??
      one.failed ??
      (one.error != null && one.error <= limits.get(one.name)! ? null : `${one.worst} is off by ${one.error}`);
    if (wrong !== null) console.log(`${one.name}: ${wrong}`);
    if (wrong !== null) failed++;
    else if (one.name.includes('.case.') && (!worst || one.error! > worst.error!)) worst = one;
  }
  console.log(`${versions}: ${files - failed} models of ${files} are right, ${failed} are not`);
  if (worst) console.log(`largest distance of a case: ${worst.error!.toExponential(1)} in ${worst.name}`);
}

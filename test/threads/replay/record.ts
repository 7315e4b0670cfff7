// record.ts: writes down runs of programs, with all that goes in and what comes out, for replay.cc: single kernels on shapes drawn at random, and steps of
// random networks. node record.js FILE --cases 12 --programs 30 --seed 1. Every kernel must be among them.
import { closeSync, openSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { OptionError } from '../../../lib/errors.ts';
import type { OpDef } from '../../../lib/ir/op.ts';
import {
  type Addon,
  addon,
  type NativeBinding,
  type NativeBlock,
  type NativeProgram,
  type ProgramSpec,
} from '../../../lib/native/addon.ts';
import { ALL_OPS } from '../../../lib/optim/list.ts';
import { runTeams } from '../../run-node.ts';
import { Draw } from '../../shapes/draw.ts';
import { GENERATORS } from '../../shapes/index.ts';
import { setUp } from '../../shapes/set-up.ts';
import { drawProgram } from '../../torture/draw.ts';
import { outcomeOf } from '../../torture/train.ts';
import { PLAIN } from '../../torture/variants.ts';

const { values: flags, positionals } = parseArgs({
  options: {
    cases: { type: 'string', default: '12' },
    programs: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
  },
  allowPositionals: true,
});
const [cases, programs, seed] = [Number(flags.cases), Number(flags.programs), Number(flags.seed)];
const file = openSync(positionals[0]!, 'w');

/** The sanitizer makes a run some twenty times as long: those on more bytes than this, or of more instructions, are left out. */
const MOST_BYTES = 1 << 19;
const MOST_CODE = 1 << 14;
/** Of one network: its first steps, and a few programs of other batch sizes. */
const MOST_RUNS = 6;

let label = '';
let runs = 0;
let most = Number.POSITIVE_INFINITY;
/** Whether programs without an update are written down: the time that they take decides how much of an evaluation is a run. */
let forward = true;
const seen = new Set<number>();

/** Which kernels a program has: the first of each instruction's numbers. */
function kernelsOf({ code, instrs }: ProgramSpec): number[] {
  const kernels: number[] = [];
  for (let at = 0, k = 0; k < instrs; k++) {
    const [kernel, , outs, ins, ints, floats] = code.subarray(at, at + 6) as unknown as number[];
    kernels.push(kernel!);
    at += 6 + 3 * (outs! + ins!) + ints! + floats!;
  }
  return kernels;
}

type Memory = NativeBlock | NodeJS.TypedArray;
function contentOf(block: Memory): Uint8Array {
  if (ArrayBuffer.isView(block)) return new Uint8Array(block.buffer, block.byteOffset, block.byteLength).slice();
  const bytes = new Uint8Array(block.bytes);
  block.read(0, bytes);
  return bytes;
}

/** What replay.cc reads: whole numbers of 64 bits, then bytes, whose length stands before them. */
function write(...parts: readonly (number | bigint | string | NodeJS.TypedArray)[]): void {
  const whole = (n: number | bigint): Buffer => Buffer.from(BigInt64Array.of(BigInt.asIntN(64, BigInt(n))).buffer);
  const bytes = parts.flatMap((part) => {
    if (typeof part === 'number' || typeof part === 'bigint') return [whole(part)];
    const b = typeof part === 'string' ? Buffer.from(part) : Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    return [whole(b.length), b];
  });
  writeSync(file, Buffer.concat(bytes));
}

const NOTHING = new Uint8Array(0);

/** Of a program, in the order in which replay.cc reads them. */
const FIELDS = [
  ...(['instrs', 'microEnd', 'arenaBytes', 'feedBytes', 'stepBytes', 'reportBytes'] as const),
  ...(['code', 'cuts', 'constants', 'blockBytes', 'blockWrites'] as const),
];

/** Programs and bindings as they are, whose runs are written down. */
function recorded(native: Addon): void {
  const { Program } = native;
  class Recorded implements NativeProgram {
    readonly #spec: ProgramSpec;
    readonly #program: NativeProgram;
    constructor(spec: ProgramSpec, isa?: string) {
      this.#spec = { ...spec, code: spec.code.slice() };
      this.#program = new Program(spec, isa);
    }
    get scratchBytes(): number {
      return this.#program.scratchBytes;
    }
    bind(blocks: readonly Memory[]): NativeBinding {
      const binding = this.#program.bind(blocks);
      const spec = this.#spec;
      const size = blocks.reduce((n, b) => n + (ArrayBuffer.isView(b) ? b.byteLength : b.bytes), spec.arenaBytes);
      const run = binding.runSync.bind(binding);
      const runSync: NativeBinding['runSync'] = (numbers, seed, feed, step) => {
        const wanted =
          runs < most && size <= MOST_BYTES && spec.code.length <= MOST_CODE && (forward || spec.microEnd < spec.instrs);
        if (!wanted) return run(numbers, seed, feed, step);
        const [before, given] = [blocks.map(contentOf), numbers.slice()];
        const report = run(numbers, seed, feed, step);
        runs++;
        for (const kernel of kernelsOf(spec)) seen.add(kernel);
        write(label, ...FIELDS.map((field) => spec[field]));
        write(given, numbers, seed, feed ?? NOTHING, step ?? NOTHING, new Uint8Array(report));
        for (const [k, block] of blocks.entries()) write(before[k]!, contentOf(block));
        return report;
      };
      Reflect.defineProperty(binding, 'runSync', { value: runSync });
      return binding;
    }
  }
  (native as { Program: Addon['Program'] }).Program = Recorded;
}

const native = addon();
recorded(native);
const isa = native.isa;

// biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
for (const op of ALL_OPS as readonly OpDef<any>[]) {
  if (op.alias) continue;
  const drawn = fc.sample(fc.tuple(fc.gen(), fc.nat()), { seed, numRuns: op.map ? 1 : cases });
  for (const [k, [next, filled]] of drawn.entries()) {
    const d = new Draw(next);
    const { node, data, inplace } = setUp(op, GENERATORS[op.name]!(d), filled, d);
    label = `${op.name}, case ${k + 1}`;
    runTeams(node, data, { isa, teams: [1], inplace, seed: 5n, attempt: 3 }, () => {});
  }
}
forward = false;
for (let k = 0; k < programs; k++) {
  label = `network of seed ${seed + k}`;
  most = runs + MOST_RUNS;
  // Else time decides here too.
  await outcomeOf(drawProgram(seed + k), { ...PLAIN, sync: true, chunk: 1 }).catch((error: unknown) => {
    // Options that do not go together are drawn now and then.
    if (!(error instanceof OptionError)) throw error;
  });
}
closeSync(file);

const missing = native.kernels.filter((name, id) => !seen.has(id) && !name.startsWith('probe_'));
console.log(`${runs} runs of ${seen.size} kernels on ${isa}`);
if (missing.length > 0) {
  console.error(`no run of ${missing.join(', ')}`);
  process.exitCode = 1;
}

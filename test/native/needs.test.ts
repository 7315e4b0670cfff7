// needs.test.ts: a kernel with attributes of any kind is refused, or runs in memory of just the size that it says it needs (the
// sanitizer's build sees it when one does not), and gives the same bits on any team and instruction set.
import { appendFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instruction } from '../../lib/cli/bench/instruction.ts';
import type { Instr } from '../../lib/compile/program.ts';
import { Graph } from '../../lib/ir/graph.ts';
import { addon, type NativeProgram } from '../../lib/native/addon.ts';
import { AT } from '../../lib/native/numbers.ts';
import { encode, STATUS } from '../../lib/native/program.ts';
import { ALL_OPS } from '../../lib/optim/list.ts';
import { mapIndex } from '../run-node.ts';
import { numbersOf } from './kit.ts';

type Call = Pick<Instr, 'kernel' | 'ints' | 'floats'> & { readonly outs: number; readonly ins: number };

// One of every sample of every op that has a kernel of its own.
function calls(): Map<string, Call[]> {
  const list = new Map<string, Call[]>();
  for (const op of ALL_OPS) {
    const kernel = op.kernel ?? op.name;
    if (op.map || op.alias || !addon().kernels.includes(kernel)) continue;
    for (const sample of op.samples()) {
      const graph = new Graph();
      const ins = sample.ins.map((type, i) => graph.input(`x${i}`, type, 'feed'));
      const node = graph.add(op, ins, sample.attrs);
      const { ints = [], floats = [] } = op.lower?.(node, { mapIndex }) ?? {};
      const call = { kernel, outs: node.outs.length, ins: ins.length, ints, floats };
      list.set(kernel, [...(list.get(kernel) ?? []), call]);
    }
  }
  return list;
}

const MOST = 1 << 21;
// Calls are written to this file before they are made: the last line is the one that the sanitizer stopped.
const log = process.env.GRADCLIP_LOG;

/** The bytes of each operand that the kernel asks for, learned from refusals; undefined when it is refused for another reason, or large. */
function sized(call: Call): number[] | undefined {
  const bytes = Array<number>(call.outs + call.ins).fill(0);
  for (let tries = 0; tries <= bytes.length; tries++) {
    try {
      make(call, bytes);
      return bytes;
    } catch (error) {
      if ((error as { code: string }).code !== 'ERR_PROGRAM') throw error;
      const m = /(output|input) (\d+) has \d+ bytes, the kernel needs (\d+)/.exec((error as Error).message);
      if (!m || Number(m[3]) > MOST) return undefined;
      bytes[Number(m[2]) + (m[1] === 'input' ? call.outs : 0)] = Number(m[3]);
    }
  }
  throw new Error(`${call.kernel}: asks for more memory each time`);
}

function make(call: Call, bytes: readonly number[], isa?: string): NativeProgram {
  const operation = { ...call, outs: bytes.slice(0, call.outs), ins: bytes.slice(call.outs) };
  return new (addon().Program)(encode(instruction(operation)), isa);
}

/** The outputs of a run; undefined when an index was out of bounds, or memory short. */
function run(call: Call, bytes: readonly number[], fill: Fill, isa: string, threads: number): Uint8Array[] | undefined {
  // Not small typed arrays: those lie in JavaScript's heap, where the sanitizer sees nothing.
  const memory = bytes.map((b) => new Uint8Array(new ArrayBuffer(b)));
  for (const [k, m] of memory.slice(call.outs).entries()) fill(m, k);
  const numbers = numbersOf({ threads });
  try {
    make(call, bytes, isa).bind(memory).runSync(numbers, 3n, new Uint8Array(0), new Uint8Array(0));
  } catch (error) {
    if ((error as { code: string }).code === 'ERR_MEMORY') return undefined;
    throw error;
  }
  return numbers[AT.status] === STATUS.ok ? memory.slice(0, call.outs) : undefined;
}

// What inputs hold: zeros, which are indices of anything; small floats; small integers.
type Fill = (memory: Uint8Array, input: number) => void;
const fills: Fill[] = [
  () => {},
  (m, input) => m.set(bytesOf(Float32Array.from({ length: m.length >> 2 }, (_, i) => Math.sin(i * 0.7 + input)))),
  (m, input) => m.set(bytesOf(Int32Array.from({ length: m.length >> 2 }, (_, i) => (i * 7 + input) % 3))),
];
const bytesOf = (a: Float32Array | Int32Array): Uint8Array => new Uint8Array(a.buffer);

test('kernels keep to what they say they need', { timeout: 120_000 }, () => {
  const all = [...calls().values()].filter(([call]) => call!.ints.length > 0);
  const number = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 12 }) },
    { weight: 2, arbitrary: fc.integer({ min: -8, max: 70 }) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        -(2 ** 53),
        -(2 ** 31),
        255,
        256,
        1000,
        2 ** 20,
        2 ** 24,
        2 ** 31 - 1,
        2 ** 31,
        2 ** 32,
        2 ** 46,
        2 ** 53,
      ),
    },
  );
  const change = fc.record({ at: fc.nat(), to: number, add: fc.boolean() });
  const ran = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.nat(all.length - 1),
      fc.nat(),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(0, 0, 0, 0, -1, 1),
      fc.constantFrom(0, 0, 0, 0, -1, 1),
      fc.constantFrom(...fills),
      (which, sample, changes, moreOuts, moreIns, fill) => {
        const samples = all[which]!;
        const given = samples[sample % samples.length]!;
        const ints = [...given.ints];
        for (const { at, to, add } of changes) {
          const k = at % ints.length;
          if (ints.length > 0) ints[k] = add ? ints[k]! + to : to;
        }
        const call = { ...given, ints, outs: Math.max(0, given.outs + moreOuts), ins: Math.max(0, given.ins + moreIns) };
        const bytes = sized(call);
        if (!bytes || make(call, bytes).scratchBytes > 1 << 26) return;
        if (log) appendFileSync(log, `${JSON.stringify(call)}\n`);
        const first = new Map<string, Uint8Array[]>();
        for (const [isa, threads] of addon().isas.flatMap((i) => [[i, 1] as const, [i, 6] as const])) {
          const outs = run(call, bytes, fill, isa, threads);
          if (!outs) return;
          ran.set(call.kernel, (ran.get(call.kernel) ?? 0) + 1);
          const family = isa === 'x86_64' ? isa : 'fma';
          const known = first.get(family) ?? outs;
          first.set(family, known);
          if (call.kernel.startsWith('attention')) continue; // its views may overlap: then the last to write wins
          expect(
            outs.every((o, i) => same(o, known[i]!)),
            `${JSON.stringify(call)} ${isa} x${threads}`,
          ).toBe(true);
        }
      },
    ),
    { numRuns: Number(process.env.GRADCLIP_FUZZ ?? 1500) },
  );
  expect(ran.size).toBeGreaterThan(all.length / 2);
});

test('a stage whose chain is none is refused, whatever length it says', () => {
  const KIND = 12;
  const call = calls().get('staged')!.at(-1)!;
  const ints = [...call.ints];
  const at = ints.indexOf(KIND);
  const [tensors, length] = [call.outs, ints[at + 1]!];
  const begin = at + 2 + tensors;
  const spoiled = (change: (ints: number[]) => void): number[] | undefined => {
    const own = [...ints];
    change(own);
    return sized({ ...call, ints: own });
  };
  expect(spoiled(() => {})).toBeDefined();
  // An operation that there is not, a register that nothing wrote, a length that is wrong; and -1, which is what a chain that is none has.
  const first = begin + 6 + 4 * ints[begin + 2]!;
  expect(spoiled((own) => own.splice(first, 1, 1e6))).toBeUndefined();
  expect(spoiled((own) => own.splice(first + 2, 1, 1e3))).toBeUndefined();
  for (const by of [-1, 1]) expect(spoiled((own) => own.splice(at + 1, 1, length + by))).toBeUndefined();
  expect(spoiled((own) => own.splice(at + 1, 1 + tensors + length, -1, ...own.slice(at + 2, at + 1 + tensors)))).toBeUndefined();
});

/** Bit for bit, but that what may be NaN has no bits of its own. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  if (Buffer.compare(a, b) === 0) return true;
  const [x, y] = [new Uint32Array(a.buffer, 0, a.length >> 2), new Uint32Array(b.buffer, 0, b.length >> 2)];
  const odd = (w: number): boolean => (w & 0x7ff00000) === 0x7ff00000 || (w & 0x7f800000) === 0x7f800000;
  return x.every((w, i) => w === y[i] || (odd(w) && odd(y[i]!)));
}

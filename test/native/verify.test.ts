// verify.test.ts: every kind of malformed program is refused with a message that says where; no program of numbers crashes.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Instr, type Place, type Program, SPACE } from '../../lib/compile/program.ts';
import { InvalidProgramError, OptionError } from '../../lib/errors.ts';
import { Graph } from '../../lib/ir/graph.ts';
import { bytesOf, type TensorType } from '../../lib/ir/op.ts';
import { addon, type ProgramSpec, type RunRequest } from '../../lib/native/addon.ts';
import { allocate, CompiledProgram, encode } from '../../lib/native/program.ts';
import { ALL_OPS } from '../../lib/optim/list.ts';
import { mapIndex } from '../run-node.ts';
import { add, arena, block, constant, copy, feed, numbersOf, place, program, report, skipIf, step } from './kit.ts';

const refusal = (p: Program): string => {
  try {
    new CompiledProgram(p);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidProgramError);
    return (error as Error).message;
  }
  throw new Error('expected an InvalidProgramError');
};

const good = copy(arena(0, 64), arena(64, 64));
const cases: [string, Program, string][] = [
  [
    'an input beyond its space',
    program([good, copy(arena(0, 64), arena(64, 128))], { arenaBytes: 128 }),
    'instr 1 (copy): input 0 ends at 192, arena has 128',
  ],
  ['an output beyond', program([good], { arenaBytes: 32 }), 'instr 0 (copy): output 0 ends at 64, arena has 32'],
  [
    'a feed row',
    program([copy(arena(0, 16), feed(0, 16))], { feed: { bytes: 8, columns: [] } }),
    'input 0 ends at 16, feed row has 8',
  ],
  [
    'a step row',
    program([copy(arena(0, 16), step(0, 16))], { step: { bytes: 8, columns: [] } }),
    'input 0 ends at 16, step row has 8',
  ],
  [
    'a report row',
    program([copy(report(8, 16), arena(0, 16))], { report: { bytes: 16, columns: [] } }),
    'output 0 ends at 24, report row has 16',
  ],
  [
    'a block',
    program([copy(block(0, 64, 64), arena(0, 64))], { blocks: [{ name: 'w', bytes: 100, writes: true }] }),
    'output 0 ends at 128, block 0 has 100',
  ],
  [
    'offsets that add up beyond 2^53',
    program([copy(arena(0, 64), arena(2 ** 53, 64))], { arenaBytes: 64 }),
    'ends at 9007199254741056',
  ],
  ['an operand smaller than needed', program([{ ...good, ints: [4, 0, 17, 1] }]), 'output 0 has 64 bytes, the kernel needs 68'],
  ['an unknown space', program([copy(place(7, 0, 4), arena(0, 4))]), 'output 0: space 7 is unknown, there are 0 blocks'],
  ['a negative space', program([copy(place(-1, 0, 4), arena(0, 4))]), 'output 0: space -1 is unknown'],
  ['a negative offset', program([copy(arena(-64, 64), arena(64, 64))]), 'output 0: offset -64 and bytes 64 may not be negative'],
  ['negative bytes', program([{ ...good, outs: [arena(0, -64)] }]), 'may not be negative'],
  ['constants written to', program([copy(constant(0, 4), arena(0, 4))]), 'output 0 lies in constants, which is read-only'],
  ['a feed row written to', program([copy(feed(0, 4), arena(0, 4))]), 'output 0 lies in feed row, which is read-only'],
  ['a step row written to', program([copy(step(0, 4), arena(0, 4))]), 'output 0 lies in step row, which is read-only'],
  [
    'a read-only block written to',
    program([copy(block(0, 0, 4), arena(0, 4))], { blocks: [{ name: 'data', bytes: 4, writes: false }] }),
    'output 0 lies in block 0, which is read-only',
  ],
  [
    'an arena place not at a cache line',
    program([copy(arena(32, 32), arena(64, 32))]),
    'starts at 32, arena places are multiples of 64',
  ],
  ['a place not at 8 bytes', program([copy(arena(0, 4), feed(4, 4))]), 'input 0 starts at 4, feed row places are multiples of 8'],
  ['a row not of 8 bytes', program([good], { feed: { bytes: 12, columns: [] } }), 'feedBytes: expected a multiple of 8, got 12'],
  [
    'in and out the same where not allowed',
    program([{ ...good, ins: [arena(0, 64)] }]),
    'output 0 overlaps input 0, which the kernel',
  ],
  [
    'in and out shifted where the same is allowed',
    program([add(arena(0, 128), arena(64, 128), arena(192, 128))]),
    'output 0 overlaps input 0 without being the same place',
  ],
  ['too few inputs', program([{ ...good, ins: [] }]), 'instr 0 (copy): expected 1 inputs, got 0'],
  ['too many outputs', program([{ ...good, outs: [arena(0, 64), arena(128, 64)] }]), 'expected 1 outputs, got 2'],
  ['floats nobody wants', program([{ ...good, floats: [1] }]), 'instr 0 (copy): expected 0 floats, got 1'],
  ['ints too many', program([{ ...skipIf(arena(0, 8)), ints: [1] }]), 'instr 0 (skip_if): expected 0 ints, got 1'],
  ['attributes without sense', program([{ ...good, ints: [4, 0, -1, 1] }]), 'instr 0 (copy): negative size or stride'],
  ['a fraction', program([{ ...good, ints: [4, 0, 1.5, 1] }]), 'code[14]: expected a whole number, got 1.5'],
  ['NaN', program([{ ...good, ints: [4, 0, Number.NaN, 1] }]), 'expected a whole number, got nan'],
  ['an unknown kernel', program([{ ...good, kernel: 'nonsense' }]), 'instr 0 (nonsense): the add-on has no kernel of this name'],
  ['microEnd beyond the end', program([good], { microEnd: 2 }), 'microEnd: expected 0 to 1, got 2'],
  ['a huge arena', program([good], { arenaBytes: 2 ** 47 }), 'arenaBytes: expected 0 to 2^46'],
];

// One instruction whose operands have no bytes.
const bare = (kernel: string, outs: number, ins: number, ints: number[], floats: number[]): Instr => {
  const places = (n: number): Place[] => Array<Place>(n).fill(arena(0, 0));
  const rest = { skippable: false, serial: false, note: '', flops: 0, bytes: 0 };
  return { kernel, outs: places(outs), ins: places(ins), ints, floats, ...rest };
};

// What owns no bytes may not be huge: [kernel, outputs, inputs, ints, floats].
const empty: [string, number, number, number[], number[]?][] = [
  ['logSoftmaxGrad', 1, 2, [2 ** 40, 0]],
  ['softmax', 1, 1, [2 ** 40, 0]],
  ['softmaxCrossEntropyGrad', 1, 3, [0, 2 ** 40, 4, 0, 0], [0]],
  ['matmul', 1, 2, [2 ** 20, 2 ** 20, 0, 0, 0, 0, 0, 1, 0, 0]],
  ['map', 1, 1, [0, 0, 2, 0, 0, 2 ** 40, 0, 0, 1, 1]],
  ['copy', 1, 1, [4, 0, 2 ** 32, 2 ** 32, 0, 1, 1, 1]],
  ['sum', 1, 1, [2 ** 40, 1, 0, 0, 0], [1]],
  ['argmax', 1, 1, [0, 5, 2 ** 40, 0]],
  ['rnn', 2, 3, [2 ** 20, 2 ** 20, 0, 0, 0, 0, 0]],
  ['gather', 1, 2, [2 ** 40, 0, 0, 4]],
  ['scatterAdd', 1, 2, [2 ** 40, 0, 0, 4, 0, -1]],
  ['oneHot', 1, 1, [0, 2 ** 40, 4]],
  ['concat', 1, 1, [4, 2 ** 40, 0, 1, 0, 0]],
];

// Attributes that count operands, divide, or say how long a loop is: [kernel, outputs, inputs, ints, floats, message].
const attributes: [string, number, number, number[], number[], string][] = [
  ['rnn', 2, 0, [1, 1, 1, 0, -3, 0, 0], [], 'a flag is neither 0 nor 1'],
  ['lstm', 5, 0, [1, 1, 1, 0, -4, 0], [], 'a flag is neither 0 nor 1'],
  ['gru', 4, 0, [1, 1, 1, 0, 0, 2], [], 'a flag is neither 0 nor 1'],
  ['avgPool', 1, 1, [1, 1, 1, 1, 1, 0, 0, 1, 2 ** 52, 0, 1, 2 ** 52], [], 'a span is out of range'],
  ['maxPool', 2, 1, [0, 1, 1, 1, 1, 2 ** 30, 2 ** 30, 1, 1, 0, 0, 1, 1, 0], [], 'windows are too large'],
  ['batchNormGrad', 3, 6, [0, 3, 4, 1, 0], [1e-5], 'a channel has no element'],
  ['augment', 1, 1, [0, 1, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0], [300], 'a value that is no u8'],
  ['augment', 1, 1, [0, 1, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0], [Number.NaN], 'a value that is no u8'],
];

test('the gradient of a norm without weight and bias still reads all of x', () => {
  for (const kernel of ['layerNormGrad', 'rmsNormGrad']) {
    const instr = { ...bare(kernel, 1, 3, [4, 100, 0, 0], []), ins: [arena(0, 32), arena(0, 32), arena(0, 1600)] };
    expect(refusal(program([{ ...instr, outs: [arena(1600, 1600)] }]))).toContain('input 0 has 32 bytes, the kernel needs 1600');
  }
});

describe('the verifier refuses', () => {
  test.each(attributes)('attributes of %s, %i outputs, %i inputs, %j %j', (kernel, outs, ins, ints, floats, message) => {
    expect(refusal(program([bare(kernel, outs, ins, ints, floats)]))).toContain(message);
  });

  test.each(empty)('%s of an empty tensor with huge dims', (kernel, outs, ins, ints, floats = []) => {
    expect(refusal(program([bare(kernel, outs, ins, ints, floats)]))).toMatch(
      /sizes overflow|out of range|too many elements|too large/,
    );
  });

  test.each(cases)('%s', (_, p, message) => {
    expect(refusal(p)).toContain(message);
  });
});

describe('specs that no encoder makes', () => {
  const spec = encode(program([good]));
  const raw = (change: Partial<Record<keyof ProgramSpec, unknown>>): string => {
    try {
      new (addon().Program)({ ...spec, ...change } as ProgramSpec);
    } catch (error) {
      expect((error as { code: string }).code).toBe('ERR_PROGRAM');
      return (error as Error).message;
    }
    throw new Error('expected a refusal');
  };
  test.each<[Partial<Record<keyof ProgramSpec, unknown>>, string]>([
    [{ code: spec.code.slice(0, -1) }, 'instr 0 (copy): code ends after 15 numbers, in the middle of it'],
    [{ code: spec.code.slice(0, 3) }, 'instr 0 (copy): a count of 1 does not fit in the 0 numbers left'],
    [{ code: new Float64Array([...spec.code, 1]) }, 'code has 1 numbers after the last instruction'],
    [{ code: spec.code.with(0, 1e6) }, 'instr 0 (?): kernel 1000000 is unknown'],
    [{ code: spec.code.with(1, 4) }, 'flags 4 are unknown'],
    [{ code: spec.code.with(2, 2 ** 40) }, 'does not fit in'],
    [{ code: spec.code.with(2, -1) }, 'a count of -1 does not fit'],
    [{ code: [...spec.code] }, 'code: expected a typed array'],
    [{ code: new Float32Array(spec.code) }, 'code: expected a Float64Array'],
    [{ instrs: 2 }, 'instr 1 (?): code ends after'],
    [{ instrs: 0, microEnd: 0 }, 'numbers after the last instruction'],
    [{ instrs: '1' }, 'instrs: expected a whole number'],
    [{ arenaBytes: -1 }, 'arenaBytes: expected a whole number of at least 0, got -1'],
    [{ arenaBytes: undefined }, 'arenaBytes: expected a whole number'],
    [{ constants: 'x' }, 'constants: expected a typed array'],
    [{ blockBytes: new Float64Array([-1]), blockWrites: new Uint8Array(1) }, 'blockBytes[0]: expected 0 to 2^46'],
    [{ blockBytes: new Float64Array([4]) }, 'blockWrites: expected 1 values, got 0'],
  ])('%j', (change, message) => {
    expect(raw(change)).toContain(message);
  });
  test('no spec at all', () => {
    expect(() => new (addon().Program)(1 as unknown as ProgramSpec)).toThrow('expected a program');
    expect(() => (addon().Program as unknown as () => void)()).toThrow(TypeError);
  });
});

test('the same place is allowed where the kernel says so', () => {
  expect(() => new CompiledProgram(program([add(arena(0, 64), arena(0, 64), arena(64, 64))]))).not.toThrow();
});

test('an ISA this machine or build does not have is refused by name', () => {
  for (const isa of addon().isas) expect(() => new CompiledProgram(program([good]), isa)).not.toThrow();
  expect(() => new CompiledProgram(program([good]), 'sse9')).toThrow(OptionError);
  expect(() => new CompiledProgram(program([good]), 'sse9')).toThrow('got sse9');
});

// Instructions to mutate: some by hand, and one per sample of every op that has a kernel of its own.
function seeds(): Program[] {
  const list = [
    program([
      copy(arena(0, 256), feed(0, 256)),
      add(arena(256, 256), arena(0, 256), constant(0, 256)),
      skipIf(step(0, 8)),
      copy(block(0, 0, 256), arena(256, 256), { skippable: true }),
      copy(report(0, 64), block(0, 64, 64), { serial: true }),
    ]),
  ];
  for (const op of ALL_OPS) {
    const kernel = op.kernel ?? op.name;
    if (op.map || op.alias || !addon().kernels.includes(kernel)) continue;
    for (const sample of op.samples()) {
      const graph = new Graph();
      const ins = sample.ins.map((type, i) => graph.input(`x${i}`, type, 'feed'));
      const node = graph.add(op, ins, sample.attrs);
      const size = { [SPACE.arena]: 0, [SPACE.feed]: 0 };
      const take = (space: 0 | 2, type: TensorType): Place => {
        const p = place(space, size[space], bytesOf(type));
        size[space] += Math.ceil(p.bytes / 64) * 64;
        return p;
      };
      const { ints = [], floats = [] } = op.lower?.(node, { mapIndex }) ?? {};
      const instr = {
        kernel,
        outs: node.outs.map((t) => take(SPACE.arena, t.type)),
        ins: ins.map((t) => take(SPACE.feed, t.type)),
        ints,
        floats,
        skippable: false,
        serial: false,
        note: op.name,
        flops: 0,
        bytes: 0,
      };
      list.push(program([instr], { arenaBytes: size[SPACE.arena], feed: { bytes: size[SPACE.feed], columns: [] } }));
    }
  }
  return list;
}

const MICROS = 2;
const WHOLE = { base: 0, share: MICROS };
/** What a process may have of a step. */
const SHARES = [WHOLE, { base: 0, share: 1 }, { base: 1, share: 1 }, { base: 2, share: 0 }];

/** Runs a program with other numbers in place of its own. False where it is refused. */
function runs(spec: ProgramSpec, code: Float64Array, fill: number, share: RunRequest['share'] = WHOLE): boolean {
  try {
    const p = new (addon().Program)({ ...spec, code });
    const blocks = [...spec.blockBytes].map((bytes) => allocate(bytes));
    const feed = new Uint8Array(spec.feedBytes * share.share).fill(fill);
    p.bind(blocks).runSync(numbersOf({ micros: MICROS, share }), 1n, feed, new Uint8Array(spec.stepBytes));
    return true;
  } catch (error) {
    if (!['ERR_PROGRAM', 'ERR_MEMORY'].includes((error as { code: string }).code)) throw error;
    return false;
  }
}

test('each attribute of each kernel as 0: refused, or it runs', () => {
  let ran = 0;
  for (const { kernel, spec } of seeds()
    .slice(1)
    .map((p) => ({ kernel: p.instrs[0]!, spec: encode(p) as ProgramSpec }))) {
    const first = 6 + 3 * (kernel.outs.length + kernel.ins.length);
    for (let at = first; at < first + kernel.ints.length; at++) {
      const code = spec.code.slice();
      code[at] = 0;
      ran += +runs(spec, code, 1);
    }
  }
  expect(ran).toBeGreaterThan(0);
});

test('thousands of mutated programs: refused, or they run', () => {
  const specs = seeds().map(encode);
  for (const spec of specs) expect(() => new (addon().Program)(spec)).not.toThrow();
  const nasty = fc.oneof(
    fc.constantFrom(-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 63, 64, 128, 255, 1024, 2 ** 31, 2 ** 32, 2 ** 46, 2 ** 53, -(2 ** 53), 1e300),
    fc.constantFrom(0.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0),
    fc.integer({ min: -8, max: 300 }),
  );
  const change = fc.record({ at: fc.nat(), to: nasty, relative: fc.boolean() });
  const count = Number(process.env.GRADCLIP_FUZZ ?? 20_000);
  let ran = 0;
  fc.assert(
    fc.property(
      fc.nat(specs.length - 1),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      fc.nat(255),
      fc.constantFrom(...SHARES),
      (which, changes, fill, share) => {
        const spec = specs[which] as ProgramSpec;
        const code = spec.code.slice();
        for (const c of changes) {
          const at = c.at % code.length;
          code[at] = c.relative ? (code[at] as number) + c.to : c.to;
        }
        ran += +runs(spec, code, fill, share);
      },
    ),
    { numRuns: count },
  );
  expect(ran).toBeGreaterThan(0);
});

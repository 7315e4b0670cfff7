// instruction.ts: one instruction as a program of its own, each operand in a block of its own: for what times or tests one kernel.
import { type Place, type Program, SPACE } from '../../compile/program.ts';

export interface Operation {
  readonly kernel: string;
  /** Bytes of each operand. */
  readonly outs: readonly number[];
  readonly ins: readonly number[];
  readonly ints?: readonly number[];
  readonly floats?: readonly number[];
  /** [output, input]: the output lies where the input lies. */
  readonly inplace?: readonly (readonly [number, number])[];
}

/** A program whose blocks are the outputs, then the inputs. That of an input which lies in an output's place is empty. */
export function instruction({ kernel, outs, ins, ints = [], floats = [], inplace = [] }: Operation): Program {
  const operands = [...outs, ...ins];
  const places = operands.map((bytes, i): Place => ({ space: SPACE.blocks + i, offset: 0, bytes }));
  for (const [o, i] of inplace) places[outs.length + i] = places[o]!;
  const elsewhere = new Set(inplace.map(([, i]) => outs.length + i));
  const split = [places.slice(0, outs.length), places.slice(outs.length)] as const;
  const nothing = { bytes: 0, columns: [] };
  const cost = { flops: 0, bytes: 0 };
  const flags = { skippable: false, serial: false, note: kernel };
  return {
    instrs: [{ kernel, outs: split[0], ins: split[1], ints, floats, ...flags, ...cost }],
    microEnd: 1,
    cuts: [],
    arenaBytes: 0,
    constants: new Uint8Array(0),
    feed: nothing,
    step: nothing,
    report: nothing,
    blocks: operands.map((bytes, i) => ({ name: `b${i}`, bytes: elsewhere.has(i) ? 0 : bytes, writes: i < outs.length })),
    ...cost,
  };
}

// lower.ts: nodes with places become instructions.
import type { Graph, Tensor } from '../ir/graph.ts';
import { bytesOf, DTYPE_BYTES, type LowerContext, typeName } from '../ir/op.ts';
import type { Layout } from './layout.ts';
import type { Order } from './order.ts';
import type { Plan } from './plan.ts';
import { type Instr, type Place, type Program, SPACE } from './program.ts';

// Below this an instruction is cheaper on one thread than the barrier that sharing it needs (about 0.5 us).
const SERIAL_FLOPS = 16_384;
const SERIAL_BYTES = 16_384;

export function lower(graph: Graph, order: Order, plan: Plan, layout: Layout, target: LowerContext): Program {
  const place = (t: Tensor): Place => plan.placeOf(t);
  const micro: Instr[] = [];
  const cuts: number[] = [];
  const apply: Instr[] = [];
  let flops = 0;
  let bytes = 0;
  // Where what makes the decision takes it, too, all that it may hold back comes later anyway.
  const { skip } = graph;
  const decision = skip && !skip.node.op.decides?.(skip.node) ? skip : null;
  for (let at = 0; at < order.nodes.length; at++) {
    const node = order.nodes[at]!;
    while (at === order.cuts[cuts.length]) cuts.push(micro.length);
    if (at === order.skippableFrom && decision) apply.push(skipInstr(place(decision)));
    if (node.op.alias) continue;
    const cost = node.op.cost(node);
    flops += cost.flops;
    bytes += cost.bytes;
    const { ints = [], floats = [] } = node.op.lower?.(node, target) ?? {};
    // Key by key: objects that are put together by spreading take ten times as much.
    const instr: Instr = {
      kernel: node.op.kernel ?? node.op.name,
      op: node.op.madeOf,
      ints,
      floats,
      outs: node.outs.map(place),
      ins: node.ins.map(place),
      skippable: at >= order.skippableFrom && skip !== null,
      serial: cost.flops <= SERIAL_FLOPS && cost.bytes <= SERIAL_BYTES,
      note: `${node.op.name} -> ${node.outs.map((t) => typeName(t.type)).join(', ')}`,
      bf16: (node.attrs as { readonly bf16?: boolean } | null)?.bf16 === true,
      flops: cost.flops,
      bytes: cost.bytes,
    };
    (at < order.microEnd ? micro : apply).push(instr);
  }
  while (cuts.length < order.cuts.length) cuts.push(micro.length);
  if (decision && order.skippableFrom === order.nodes.length) apply.push(skipInstr(place(decision)));
  for (const { from, to, skippable } of plan.copies) apply.push(copyInstr(from, place(from), to, skippable && skip !== null));
  const instrs = [...micro, ...apply];
  const written = new Set<number>();
  for (const { outs } of instrs) for (const { space } of outs) written.add(space);
  return {
    instrs,
    microEnd: micro.length,
    cuts,
    arenaBytes: plan.arenaBytes,
    constants: plan.constants,
    feed: plan.feed,
    step: plan.step,
    report: plan.report,
    blocks: layout.blocks.map((b, i) => ({ ...b, writes: written.has(SPACE.blocks + i) })),
    flops,
    bytes,
  };
}

function skipInstr(flag: Place): Instr {
  return {
    kernel: 'skip_if',
    outs: [],
    ins: [flag],
    ints: [],
    floats: [],
    skippable: false,
    serial: true,
    note: 'skip_if',
    flops: 0,
    bytes: 4,
  };
}

/** Elements from one place to another: the strided copy kernel (ops/shape/shape.ts) with no offset, one dimension, stride 1. */
function copyInstr(t: Tensor, from: Place, to: Place, skippable: boolean): Instr {
  const bytes = bytesOf(t.type);
  const elements = bytes / DTYPE_BYTES[t.dtype];
  return {
    kernel: 'copy',
    outs: [to],
    ins: [from],
    ints: [DTYPE_BYTES[t.dtype], 0, elements, 1],
    floats: [],
    skippable,
    serial: bytes <= SERIAL_BYTES,
    note: `copy ${typeName(t.type)}`,
    flops: 0,
    bytes: 2 * bytes,
  };
}

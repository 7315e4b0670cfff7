// plan.ts: give every value a place. Lifetimes into one arena, in place where legal, states and report columns directly.
import { GraphError } from '../errors.ts';
import {
  type Assign,
  CONSTANT,
  type Graph,
  INPUT,
  type InputAttrs,
  isLeaf,
  isOp,
  type Node,
  STATE,
  type Tensor,
} from '../ir/graph.ts';
import { bytesOf } from '../ir/op.ts';
import { alignUp, type Layout } from './layout.ts';
import type { Order } from './order.ts';
import { type Column, type Place, SPACE } from './program.ts';
import { Numbers } from './rewrite.ts';

export interface Rows {
  readonly bytes: number;
  readonly columns: readonly Column[];
}

export interface Plan {
  /** Where a value lies. */
  placeOf(t: Tensor): Place;
  readonly arenaBytes: number;
  /** Largest sum of bytes alive at one instruction: no arena can be smaller. */
  readonly lowerBound: number;
  readonly constants: Uint8Array;
  readonly feed: Rows;
  readonly step: Rows;
  readonly report: Rows;
  /** Values that must be copied after the last instruction, because they could not be placed directly. */
  readonly copies: readonly { readonly from: Tensor; readonly to: Place; readonly skippable: boolean }[];
}

/** Values that share memory: a value, its reshapes, and what is computed in place of it. */
interface Storage {
  readonly bytes: number;
  first: number;
  last: number;
  place: Place | null;
  /** That of a state which means nothing after its last reader: who reads it last may write over it. */
  readonly passes?: boolean;
}

/** Where in a storage a value begins. */
interface Within {
  readonly storage: Storage;
  readonly at: number;
}

export function plan(graph: Graph, order: Order, layout: Layout): Plan {
  const numbers = new Numbers(graph);
  const storages = new Array<Storage | undefined>(numbers.count);
  const shifts = new Float64Array(numbers.count);
  const places = new Array<Place | undefined>(numbers.count);
  const storageOf = (t: Tensor): Storage => storages[numbers.of(t)]!;
  const shiftOf = (t: Tensor): number => shifts[numbers.of(t)]!;
  const placeOf = (t: Tensor): Place => {
    const at = numbers.of(t);
    const place = storages[at]!.place!;
    places[at] ??= { space: place.space, offset: place.offset + shifts[at]!, bytes: bytesOf(t.type) };
    return places[at]!;
  };
  const constants = new Constants();
  const feed = rowsOf(graph, 'feed');
  const step = rowsOf(graph, 'step');
  const report = columns([...graph.outputs].map(([name, t]) => ({ name, type: t.type })));

  const fixed = (t: Tensor, place: Place, last?: number): void => {
    const passes = last !== undefined;
    storages[numbers.of(t)] = { bytes: place.bytes, first: -1, last: last ?? Number.POSITIVE_INFINITY, place, passes };
  };
  for (const node of graph.nodes) {
    if (isLeaf(node)) fixed(node.out, leafPlace(node, layout, constants, feed, step));
  }

  const lastUse = lastUses(graph, order, numbers);
  const reserved = reservations(graph, order, layout, report, lastUse);
  const lastRead = lastUses(graph, order, numbers, (a) => a.state.transient !== true);
  const transient = new Set(graph.assigns.flatMap((a) => (a.state.transient ? [a.value] : [])));
  const inArena: Storage[] = [];
  for (let at = 0; at < order.nodes.length; at++) {
    const node = order.nodes[at]!;
    if (node.op.alias) {
      const from = storageOf(node.ins[0]!);
      storages[numbers.of(node.out)] = from;
      shifts[numbers.of(node.out)] = shiftOf(node.ins[0]!) + (node.op.aliasAt?.(node) ?? 0);
      from.last = Math.max(from.last, (from.passes ? lastRead : lastUse)(node.out) ?? at);
      continue;
    }
    for (const out of node.outs) {
      const place = reserved.get(out);
      if (place) {
        fixed(out, place, transient.has(out) ? (lastRead(out) ?? at) : undefined);
        continue;
      }
      const last = lastUse(out) ?? at;
      const shared = inPlace(node, out.index, at, { storageOf, shiftOf });
      if (shared) shared.storage.last = Math.max(shared.storage.last, last);
      const storage = shared?.storage ?? { bytes: bytesOf(out.type), first: at, last, place: null };
      if (!shared) inArena.push(storage);
      storages[numbers.of(out)] = storage;
      shifts[numbers.of(out)] = shared?.at ?? 0;
    }
  }

  const arena = pack(inArena);

  const copies: Plan['copies'][number][] = [];
  for (const [name, t] of graph.outputs) {
    const to = columnPlace(report, name, SPACE.report);
    if (!samePlace(placeOf(t), to)) copies.push({ from: t, to, skippable: false });
  }
  for (const a of graph.assigns) {
    const from = placeOf(a.value);
    const to = statePlace(a, layout);
    if (samePlace(from, to)) continue;
    // The copies run one after the other, so none may read what another writes. Who is in place makes none.
    if (graph.assigns.some((b) => b !== a && samePlace(statePlace(b, layout), from) && !samePlace(placeOf(b.value), from))) {
      throw new GraphError(`assign ${a.state.name}: its next value is the memory of another assigned state`);
    }
    copies.push({ from: a.value, to, skippable: !a.always });
  }
  return { placeOf, ...arena, constants: constants.bytes(), feed, step, report, copies };
}

/** The index of the last instruction that reads a value; values read at the end (copies) live for ever. */
type LastUse = (t: Tensor) => number | undefined;

/** @param ends whether the next value of a state is read at the end */
function lastUses(graph: Graph, order: Order, numbers: Numbers, ends: (a: Assign) => boolean = () => true): LastUse {
  const last = new Int32Array(numbers.count).fill(-1);
  const lastOf: LastUse = (t) => {
    const at = last[numbers.of(t)]!;
    return at < 0 ? undefined : at;
  };
  const end = order.nodes.length;
  for (let at = 0; at < end; at++) for (const t of order.nodes[at]!.ins) last[numbers.of(t)] = at;
  // The skip decision is read where what it may hold back begins, however early it was made.
  if (graph.skip) last[numbers.of(graph.skip)] = Math.max(lastOf(graph.skip) ?? 0, order.skippableFrom);
  for (const t of graph.outputs.values()) last[numbers.of(t)] = end;
  for (const a of graph.assigns) if (ends(a)) last[numbers.of(a.value)] = end;
  // Who reads a reshape reads what it is a reshape of.
  for (let at = end - 1; at >= 0; at--) {
    const node = order.nodes[at]!;
    if (node.op.alias) last[numbers.of(node.ins[0]!)] = Math.max(lastOf(node.ins[0]!) ?? at, lastOf(node.out) ?? at);
  }
  return lastOf;
}

/**
 * Values that are written straight to where they are wanted: the next value of a state, when it can be made in place of the state, in one
 * op or several; a report column, when the value is computed by an instruction.
 */
function reservations(graph: Graph, order: Order, layout: Layout, report: Rows, lastUse: LastUse): Map<Tensor, Place> {
  const reserved = new Map<Tensor, Place>();
  const position = new Map<Node, number>();
  order.nodes.forEach((node, at) => {
    position.set(node, at);
  });
  const replaced = overwritten();
  /** What a next value is put together of may be written where it will be in the state, by who reads that there last. */
  const within = ({ state, always }: Assign, whole: Tensor): (readonly [Tensor, number])[] =>
    (whole.node.op.within?.(whole.node) ?? []).flatMap(({ out, input, at }) => {
      const part = whole.node.ins[input]!;
      const made = position.get(part.node) ?? -1;
      if (whole.node.outs[out] !== whole || reserved.has(part) || made < (always ? 0 : order.skippableFrom)) return [];
      const before = replaced(part).find((x) => x.node.op.aliasAt?.(x.node) === at && x.node.ins[0] === graph.state(state));
      const isLast = order.nodes.every((node, k) => k <= made || node === whole.node || !readsOf(node, graph.state(state)));
      return before && isLast ? [[part, at] as const] : [];
    });
  for (const a of graph.assigns) {
    const least = a.always ? 0 : order.skippableFrom;
    const made = stepsInPlace(graph.state(a.state), a.value, (t) => {
      const at = position.get(t.node);
      return at === undefined || at < least ? [] : replaced(t).filter((x) => (lastUse(x) ?? -1) <= at);
    });
    for (const t of made) {
      reserved.set(t, statePlace(a, layout));
      for (const [part, at] of within(a, t))
        reserved.set(part, { ...shifted(statePlace(a, layout), at), bytes: bytesOf(part.type) });
    }
  }
  for (const [name, t] of graph.outputs) {
    if (!reserved.has(t) && !isLeaf(t.node) && !t.node.op.alias) reserved.set(t, columnPlace(report, name, SPACE.report));
  }
  return reserved;
}

/** Whether a node reads a value, as it is or what is an alias of it. */
const readsOf = ({ ins }: Node, t: Tensor): boolean =>
  ins.some((x) => x === t || (x.node.op.alias === true && readsOf(x.node, t)));

const shifted = (place: Place, at: number): Place => ({ ...place, offset: place.offset + at });

/** What leads from a state to its next value, each step in place of the one before; nothing, if one of them cannot be. */
function stepsInPlace(state: Tensor, value: Tensor, overwrites: (t: Tensor) => readonly Tensor[]): Tensor[] {
  const steps: Tensor[] = [];
  for (let t: Tensor | undefined = value; t; ) {
    steps.push(t);
    const before = overwrites(t);
    if (before.includes(state)) return steps;
    t = before.find((x) => !isLeaf(x.node));
  }
  return [];
}

/** The inputs whose memory a value may take. */
function overwritten(): (t: Tensor) => readonly Tensor[] {
  const known = new Map<Node, Map<Tensor, Tensor[]>>();
  return (t) => {
    let of = known.get(t.node);
    if (!of) {
      of = new Map();
      for (const [o, i] of t.node.op.inplace?.(t.node) ?? []) {
        const out = t.node.outs[o]!;
        of.set(out, [...(of.get(out) ?? []), t.node.ins[i]!]);
      }
      known.set(t.node, of);
    }
    return of.get(t) ?? [];
  };
}

/** The storage of an input that output `o` may overwrite: read here for the last time, of the same size, and safe for all other inputs. */
function inPlace(
  node: Node,
  o: number,
  at: number,
  { storageOf, shiftOf }: { storageOf(t: Tensor): Storage; shiftOf(t: Tensor): number },
): Within | null {
  const pairs = (node.op.inplace?.(node) ?? []).filter(([out]) => out === o);
  for (const [, i] of pairs) {
    const storage = storageOf(node.ins[i]!);
    const bytes = bytesOf(node.outs[o]!.type);
    const shift = shiftOf(node.ins[i]!);
    const fits = storage.passes
      ? mayPass(node) && storage.bytes >= shift + bytes
      : storage.place === null && storage.bytes === bytes;
    if (!fits || storage.last !== at) continue;
    const others = node.ins.every((t, j) => storageOf(t) !== storage || pairs.some(([, p]) => p === j));
    const taken = node.outs.some((t, j) => j < o && storageOf(t) === storage);
    if (others && !taken) return { storage, at: shift };
  }
  return null;
}

/** In `micro`, the next micro-batch reads what is there. */
const mayPass = ({ section, op }: Node): boolean => section === 'apply' || op.passes === true;

interface Placed {
  readonly first: number;
  readonly last: number;
  readonly offset: number;
  readonly end: number;
}

/** Offsets for lifetimes, largest first, each at the lowest gap that fits (greedy by size, Pisarchyk and Lee 2020). */
function pack(storages: Storage[]): { arenaBytes: number; lowerBound: number } {
  const placed: Placed[] = []; // by offset
  let arenaBytes = 0;
  const bySize = [...storages].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
  for (const s of bySize) {
    const bytes = alignUp(s.bytes);
    const offset = lowestGap(placed, bytes, s.first, s.last);
    s.place = { space: SPACE.arena, offset, bytes: s.bytes };
    if (bytes > 0) insert(placed, { first: s.first, last: s.last, offset, end: offset + bytes });
    arenaBytes = Math.max(arenaBytes, offset + bytes);
  }
  const change: number[] = [];
  for (const s of storages) {
    change[s.first] = (change[s.first] ?? 0) + alignUp(s.bytes);
    change[s.last + 1] = (change[s.last + 1] ?? 0) - alignUp(s.bytes);
  }
  let alive = 0;
  let lowerBound = 0;
  for (let at = 0; at < change.length; at++) {
    alive += change[at] ?? 0;
    lowerBound = Math.max(lowerBound, alive);
  }
  return { arenaBytes, lowerBound };
}

// Called for every value, over all that were placed before: the compiler's only loops that grow with the square of the graph.
function lowestGap(placed: readonly Placed[], bytes: number, first: number, last: number): number {
  let offset = 0;
  for (let k = 0; k < placed.length; k++) {
    const p = placed[k]!;
    if (p.first > last || first > p.last || p.end <= offset) continue;
    if (offset + bytes <= p.offset) break;
    offset = p.end;
  }
  return offset;
}

function insert(placed: Placed[], p: Placed): void {
  let low = 0;
  let high = placed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (placed[middle]!.offset > p.offset) high = middle;
    else low = middle + 1;
  }
  placed.splice(low, 0, p);
}

function leafPlace(node: Node, layout: Layout, constants: Constants, feed: Rows, step: Rows): Place {
  const bytes = bytesOf(node.out.type);
  if (isOp(node, CONSTANT)) return { space: SPACE.constants, offset: constants.add(node.attrs.data), bytes };
  if (isOp(node, STATE)) {
    const at = layout.states.get(node.attrs.state);
    if (!at) throw new GraphError(`plan: state ${node.attrs.state.name} has no place in the layout`);
    return { space: SPACE.blocks + at.block, offset: at.offset, bytes };
  }
  const { name, role } = node.attrs as InputAttrs;
  if (role === 'feed') return columnPlace(feed, name, SPACE.feed);
  if (role === 'step') return columnPlace(step, name, SPACE.step);
  const block = layout.data.get(name);
  if (block === undefined) throw new GraphError(`plan: data ${name} has no block in the layout`);
  return { space: SPACE.blocks + block, offset: 0, bytes };
}

function statePlace(a: Assign, layout: Layout): Place {
  const at = layout.states.get(a.state);
  if (!at) throw new GraphError(`plan: state ${a.state.name} has no place in the layout`);
  return { space: SPACE.blocks + at.block, offset: at.offset, bytes: bytesOf(a.state.type) };
}

function rowsOf(graph: Graph, role: InputAttrs['role']): Rows {
  const found = [...graph.inputs].filter(([, t]) => isOp(t.node, INPUT) && t.node.attrs.role === role);
  return columns(found.map(([name, t]) => ({ name, type: t.type })));
}

/** Columns one after the other, each at a multiple of 8 bytes: an index row stays small. */
function columns(wanted: readonly Pick<Column, 'name' | 'type'>[]): Rows {
  let bytes = 0;
  const placed = wanted.map(({ name, type }) => {
    const offset = alignUp(bytes, 8);
    bytes = offset + bytesOf(type);
    return { name, offset, type };
  });
  return { bytes: alignUp(bytes, 8), columns: placed };
}

function columnPlace(rows: Rows, name: string, space: number): Place {
  const column = rows.columns.find((c) => c.name === name)!;
  return { space, offset: column.offset, bytes: bytesOf(column.type) };
}

function samePlace(a: Place, b: Place): boolean {
  return a.space === b.space && a.offset === b.offset;
}

/** The program's read-only bytes, equal constants stored once. */
class Constants {
  #parts: { offset: number; bytes: Uint8Array }[] = [];
  #known = new Map<string, number>();
  #end = 0;
  add(data: NodeJS.TypedArray): number {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key = bytes.length <= 64 ? Buffer.from(bytes).toString('hex') : null;
    const known = key === null ? undefined : this.#known.get(key);
    if (known !== undefined) return known;
    const offset = this.#end;
    this.#parts.push({ offset, bytes });
    this.#end = alignUp(offset + bytes.length, bytes.length >= 64 ? 64 : 8);
    if (key !== null) this.#known.set(key, offset);
    return offset;
  }
  bytes(): Uint8Array {
    const all = new Uint8Array(this.#end);
    for (const { offset, bytes } of this.#parts) all.set(bytes, offset);
    return all;
  }
}

// draw.ts: the program of a seed. It depends on nothing else, so that a seed alone shows it again; the turn of each layer, loss, policy and
// optimizer comes round.
import { sizeOf } from '../../lib/ir/op.ts';
import { AROUND } from './around.ts';
import { LAYERS } from './layers/index.ts';
import type { DrawContext, LayerKind } from './layers/kind.ts';
import { LOSSES } from './losses.ts';
import { Maker } from './network.ts';
import { drawOptimizer, isRowwise, MAKERS } from './optimizers.ts';
import { drawPolicy, POLICIES } from './policies.ts';
import { given, Random, turn } from './random.ts';
import type { InputSpec, LayerSpec, LossSpec, ProgramSpec, Row } from './spec.ts';

/** Elements of a batch. */
const MOST = 30_000;

/** What is put around the layer whose turn it is: Linear often, since the largest products are its. */
const PLAIN = [...Object.keys(LAYERS).filter((name) => !LAYERS[name]!.indices), ...new Array<string>(12).fill('Linear')];

export function drawProgram(seed: number): ProgramSpec {
  const layer = turn(seed, 'layers', Object.keys(LAYERS));
  const optimizer = turn(seed, 'optimizers', Object.keys(MAKERS));
  const policy = turn(seed, 'policies', Object.keys(POLICIES));
  const r = new Random(seed, 'program');
  r.wide = r.chance(0.25);
  const sparse = LAYERS[layer]!.indices === true && isRowwise(optimizer) && !POLICIES[policy]!.dense && r.chance(0.4);
  const batchSize = r.chance(0.6) ? r.between(1, 9) : r.between(1, 70);
  const input = drawInput(r, layer, batchSize);
  const loss = drawLoss(r, seed, input);
  const c = new Context(input, sparse);
  const layers = drawLayers(r, layer, input, c);
  const norms = names(layers).some((name) => name.startsWith('BatchNorm'));
  const most = Math.max(2, Math.floor(MOST / sizeOf(input.row)));
  const size = Math.min(most, norms ? Math.max(2, batchSize) : batchSize);
  const dropLast = r.chance(0.15);
  const carries = input.source === 'consecutive';
  const accumulate = r.chance(0.3) ? r.between(2, 8) : 1;
  const around = drawAround(r, input, sparse);
  const rows = carries ? size * r.between(2, 4) : rowsFor(r, size, dropLast, norms);
  const steps = r.between(2, 6);
  // Now and then the first epoch, to its end.
  const epoch = Math.ceil(rows / size);
  return {
    seed,
    input: around.preprocess === undefined ? input : { ...input, scale: 1 },
    layers,
    loss,
    policy: drawPolicy(r, policy, !sparse),
    optimizer: drawOptimizer(r, optimizer),
    ...drawPrecision(seed),
    around,
    rows,
    batchSize: size,
    accumulate,
    dropLast,
    steps: epoch > 1 && epoch <= 5 && r.chance(0.5) ? epoch : steps,
  };
}

/** Every layer in a network, those in containers too. */
export function names(layers: readonly LayerSpec[]): string[] {
  return layers.flatMap((layer) => [layer.name, ...names(layer.layers ?? [])]);
}

/** A few batches and mostly a tail: of two rows at least, where a batch of one row has no variance. */
function rowsFor(r: Random, batchSize: number, dropLast: boolean, norms: boolean): number {
  const least = norms ? 2 : 1;
  const tail = batchSize > least && r.chance(0.8) ? r.between(least, batchSize - 1) : 0;
  const whole = r.between(dropLast || tail === 0 ? 1 : 0, 4);
  return whole * batchSize + tail;
}

function drawInput(r: Random, layer: string, batchSize: number): InputSpec {
  const { indices, ranks, keepsTime } = LAYERS[layer]!;
  const below = r.between(2, r.chance(0.3) ? 90 : 12);
  if (indices || (keepsTime && ranks.includes(2) && r.chance(0.15))) {
    const source = layer === 'EmbeddingBag' || r.chance(0.6) ? 'rows' : r.chance(0.5) ? 'windows' : 'consecutive';
    return { source, dtype: r.pick(['i32', 'u8'] as const), row: [r.between(2, 12)], below, scale: 1 };
  }
  const rank = r.chance(0.5) ? r.pick(ranks) : r.pick([1, 1, 2, 3]);
  const few = batchSize > 20;
  const shapes: Readonly<Record<number, () => Row>> = {
    1: () => [r.size(600)],
    2: () => [r.size(few ? 12 : 24), r.size(few ? 24 : 64)],
    3: () => [r.between(1, few ? 4 : 8), r.between(1, 11), r.between(1, 11)],
    4: () => [r.between(1, few ? 3 : 5), r.between(1, 5), r.between(1, 6), r.between(1, 6)],
  };
  const scale = r.chance(0.85) ? 1 : r.pick([1e-3, 30, 1e4, 1e18, Number.NaN]);
  return { source: 'rows', dtype: 'f32', row: shapes[rank]!(), below, scale };
}

/** Labels of windows are tokens. */
function drawLoss(r: Random, seed: number, { source, below }: InputSpec): LossSpec {
  const name = turn(seed, 'losses', Object.keys(LOSSES));
  const kind = LOSSES[name]!;
  if (source === 'rows') {
    const width = r.size(r.wide ? 150 : 40) * (kind.parts ?? 1);
    return { name, width, options: kind.draw(r, width) };
  }
  const labeled = kind.targets === 'labels' ? name : 'crossEntropy';
  return { name: labeled, width: below, options: LOSSES[labeled]!.draw(r, below) };
}

function drawPrecision(seed: number): Pick<ProgramSpec, 'precision' | 'activations'> {
  const r = new Random(seed, 'precision');
  const precision = r.chance(1 / 3) ? 'bf16' : 'f32';
  return { precision, activations: precision === 'bf16' && r.chance(0.5) ? 'bf16' : 'f32' };
}

class Context implements DrawContext {
  readonly carries: boolean;
  readonly keepsTime: boolean;
  readonly sparse: boolean;
  readonly below: number;

  constructor({ source, below }: InputSpec, sparse: boolean) {
    this.carries = source === 'consecutive';
    this.keepsTime = source !== 'rows';
    this.sparse = sparse;
    this.below = below;
  }

  inside(r: Random, row: Row, most: number): { layers: readonly LayerSpec[]; row: Row } {
    const layers: LayerSpec[] = [];
    let now = row;
    for (let left = r.between(1, most); left > 0; left--) {
      const drawn = this.one(r, r.pick(PLAIN), now);
      if (!drawn) continue;
      layers.push(drawn.layer);
      now = drawn.row;
    }
    return { layers, row: now };
  }

  /** A layer for such rows, null if it is not for them. */
  one(r: Random, name: string, row: Row, dtype: InputSpec['dtype'] = 'f32'): { layer: LayerSpec; row: Row } | null {
    const kind = LAYERS[name]!;
    if (!kind.ranks.includes(row.length) || (this.keepsTime && !kind.keepsTime && !kind.indices)) return null;
    const drawn = kind.draw(r, row, this);
    if (!drawn) return null;
    const layer: LayerSpec = { name, ...drawn };
    return { layer, row: new Maker(2).chain([layer], row, dtype).rows[1]! };
  }
}

function drawLayers(r: Random, featured: string, input: InputSpec, c: Context): LayerSpec[] {
  const layers: LayerSpec[] = [];
  let row = input.row;
  const add = (drawn: { layer: LayerSpec; row: Row } | null): boolean => {
    if (!drawn) return false;
    layers.push(drawn.layer);
    row = drawn.row;
    return true;
  };
  if (input.dtype !== 'f32') add(c.one(r, LAYERS[featured]!.indices ? featured : 'Embedding', row, input.dtype));
  const before = r.between(0, 2);
  for (let i = 0; i < before; i++) add(c.one(r, r.pick(PLAIN), row));
  if (!LAYERS[featured]!.indices && !(c.keepsTime && !LAYERS[featured]!.keepsTime)) {
    // What it takes: another rank, an even or a smaller width.
    for (let tries = 0; tries < 8 && !add(c.one(r, featured, row)); tries++) add(adapter(r, LAYERS[featured]!, row, c));
  }
  const after = r.between(0, 2);
  for (let i = 0; i < after; i++) add(c.one(r, r.pick(PLAIN), row));
  return layers;
}

/** A layer that makes a row more as another layer takes it. */
function adapter(r: Random, { ranks }: LayerKind, row: Row, c: Context): { layer: LayerSpec; row: Row } | null {
  const made = (layer: LayerSpec): { layer: LayerSpec; row: Row } => ({ layer, row: new Maker(2).chain([layer], row).rows[1]! });
  if (ranks.includes(row.length)) {
    if (row.length > 1 && row[0]! > 24 && !c.keepsTime) return made({ name: 'Flatten', options: {} });
    return made({ name: 'Linear', options: { out: 2 * r.between(1, 16) } });
  }
  if (row.length > Math.max(...ranks))
    return made({ name: 'Flatten', options: row.length >= 3 && r.chance(0.5) ? { startDim: 2 } : {} });
  const dim = r.between(1, row.length);
  const size = row[dim - 1]!;
  return made({ name: 'Unflatten', options: { dim, sizes: [r.divisor(size), -1] } });
}

function drawAround(r: Random, input: InputSpec, sparse: boolean): ProgramSpec['around'] {
  const drawn = Object.entries(AROUND).map(([name, kind]) => [
    name,
    r.chance(0.13) ? (kind.draw(r, { input, sparse }) ?? undefined) : undefined,
  ]);
  return given({ ...Object.fromEntries(drawn), frozen: r.maybe(0.1, () => true) });
}

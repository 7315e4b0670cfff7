// analyze.ts: what gradients (or any f32 arrays) are like: norms, zeros, and where they are not finite. Reads them once, changes nothing.
import { compile } from '../../compile/compile.ts';
import { layoutOf } from '../../compile/layout.ts';
import { OptionError } from '../../errors.ts';
import { Graph } from '../../ir/graph.ts';
import { addon } from '../../native/addon.ts';
import { CompiledProgram, target } from '../../native/program.ts';
import { threadCount, threadsFor } from '../../native/threads.ts';
import { pattern } from '../../nn/fields.ts';
import { matcher, type Pattern } from '../../nn/module/module.ts';
import { ANALYZED, analyzed } from '../../ops/gradient/analyze.ts';
import { options, record, signature } from '../../options/index.ts';
import { arrays, checkArray, entriesOf, type Named } from './arrays.ts';
import { Kept } from './kept.ts';

/** Norms and counts of some elements. */
export interface Norms {
  /** How many elements there are. */
  readonly elements: number;
  /** Sum of the absolute values; NaN where an element is NaN. */
  readonly norm1: number;
  /** Root of the sum of squares; NaN where an element is NaN. */
  readonly norm2: number;
  /** Largest absolute value; NaN where an element is NaN. */
  readonly normInf: number;
  /** Elements that are 0 (or -0). */
  readonly zeros: number;
  /** Elements that are NaN or infinite. */
  readonly nonFinite: number;
}

/** One tensor. */
export interface TensorAnalysis extends Norms {
  /** Its name; of a list of arrays its place in it. */
  readonly name: string;
  /** Index of its first element that is NaN or infinite; null if all are finite. */
  readonly firstNonFinite: number | null;
}

/** Some tensors together. */
export interface GroupAnalysis extends Norms {
  /** Name of the group, or path of the module. */
  readonly name: string;
  /** Names of its tensors, in the order given. */
  readonly tensors: readonly string[];
}

/** What `analyze` gives: norms and counts of all tensors together, of each group and of each tensor. */
export interface Analysis extends Norms {
  /** The first element, in the order of the tensors, that is NaN or infinite; null if all are finite. */
  readonly firstNonFinite: { readonly tensor: string; readonly index: number } | null;
  /** The groups, each with norms of its own. */
  readonly groups: readonly GroupAnalysis[];
  /** The tensors in the order given. */
  readonly tensors: readonly TensorAnalysis[];
}

/** Options of `analyze`. */
export interface AnalyzeOptions {
  /**
   * Groups by name: a pattern that the names of their tensors match. Default: a group for each module, which is what stands before the
   * last dot of a name: `fc1.weight` and `fc1.bias` make `fc1`.
   */
  readonly groups?: Readonly<Record<string, Pattern>>;
  /** Threads that measure. Default: what affinity and container quota allow. Results do not depend on it. */
  readonly threads?: number;
}

// Those of the sizes used last.
const programs = new Kept<string, CompiledProgram>(8);

const readAnalyze = signature(
  'analyze',
  { grads: arrays },
  options<AnalyzeOptions>()({ groups: record(pattern, 'patterns by name').optional(), threads: threadCount.optional() }),
);

/**
 * Measure gradients without changing them: norms 1, 2 and infinity, zeros, and what is not finite, of each tensor, of groups of them, and of
 * all together. Sums are f64; the norms are those that clip policies see, bit for bit, on any number of threads. A repeated call
 * for arrays of the same sizes compiles nothing.
 *
 * @param grads Float32Arrays, in a list or by name, as `optimizer.bind(...).step` takes them
 * @throws OptionError; DTypeError for what is no Float32Array
 */
export function analyze(grads: Named<Float32Array>, options: AnalyzeOptions = {}): Analysis {
  const where = 'analyze';
  const { groups, threads = addon().threads.count } = readAnalyze(arguments);
  const entries = entriesOf(where, grads);
  if (entries.length === 0) throw new OptionError(`${where}: expected at least one array, got none`);
  for (const [name, x] of entries) checkArray(where, name, x);
  const names = entries.map(([name]) => name);
  const members = groups ? byPattern(groups, names) : byModule(names);

  const values = entries.map(([, x]) => x);
  const columns = measure(values, threads);
  const raw = values.map((x, i): Raw => {
    const [squares, norm1, normInf, zeros, nonFinite] = columns.map((column) => column[i]!);
    return { elements: x.length, squares: squares!, norm1: norm1!, normInf: normInf!, zeros: zeros!, nonFinite: nonFinite! };
  });
  const firsts = columns[5]!;
  const tensors = raw.map((r, i): TensorAnalysis => {
    return { name: names[i]!, ...normsOf([r]), firstNonFinite: firsts[i]! < 0 ? null : firsts[i]! };
  });
  const bad = tensors.find((t) => t.firstNonFinite !== null);
  return {
    ...normsOf(raw),
    firstNonFinite: bad ? { tensor: bad.name, index: bad.firstNonFinite! } : null,
    groups: [...members].map(([name, at]) => {
      return { name, tensors: at.map((i) => names[i]!), ...normsOf(at.map((i) => raw[i]!)) };
    }),
    tensors,
  };
}

/** What the instruction gives of one tensor. */
interface Raw extends Omit<Norms, 'norm2'> {
  readonly squares: number;
}

/** Added up in order, as policies do. */
function normsOf(parts: readonly Raw[]): Norms {
  const sum = (key: keyof Raw): number => parts.reduce((s, part) => s + part[key], 0);
  const largest = (a: number, b: number): number => (Number.isNaN(a) || a >= b ? a : b);
  return {
    elements: sum('elements'),
    norm1: sum('norm1'),
    norm2: Math.sqrt(sum('squares')),
    normInf: parts.reduce((m, part) => largest(m, part.normInf), 0),
    zeros: sum('zeros'),
    nonFinite: sum('nonFinite'),
  };
}

/** Column by column, in the order of ANALYZED. */
function measure(arrays: readonly Float32Array[], threads: number): Float64Array[] {
  const compiled = programFor(arrays.map((x) => x.length));
  const { program } = compiled;
  const bound = compiled.bind(arrays);
  try {
    const { report } = bound.runSync({
      ...{ steps: 1, micros: 1, seed: 0n, attempt: 0, stepCount: 0, skips: 0, maxSkips: 0 },
      threads: threadsFor(program, threads),
    });
    return ANALYZED.map((name) => {
      const { offset } = program.report.columns.find((column) => column.name === name)!;
      return new Float64Array(report, offset, arrays.length);
    });
  } finally {
    bound.dispose();
  }
}

function programFor(sizes: readonly number[]): CompiledProgram {
  return programs.get(sizes.join(), () => {
    const graph = new Graph('train');
    const inputs = sizes.map((n, i) => graph.input(`${i}`, { dtype: 'f32', shape: [n] }, 'data'));
    for (const [name, t] of Object.entries(analyzed(inputs))) graph.output(name, t);
    // One block for each array, and none for states, of which there are none.
    const { blocks } = layoutOf(
      [],
      sizes.map((n, i) => ({ name: `${i}`, bytes: 4 * n })),
    );
    const layout = { blocks: blocks.slice(1), states: new Map(), data: new Map(sizes.map((_, i) => [`${i}`, i])) };
    return new CompiledProgram(compile(graph, { ...target(), layout }));
  });
}

function byModule(names: readonly string[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const [i, name] of names.entries()) {
    const end = name.lastIndexOf('.');
    if (end <= 0) continue;
    const group = name.slice(0, end);
    groups.set(group, [...(groups.get(group) ?? []), i]);
  }
  return groups;
}

function byPattern(groups: Readonly<Record<string, Pattern>>, names: readonly string[]): Map<string, number[]> {
  const found = Object.entries(groups).map(([group, pattern]): [string, number[]] => {
    const test = matcher(`analyze: groups: ${group}`, pattern);
    const at = names.flatMap((name, i) => (test(name) ? [i] : []));
    if (at.length === 0) throw new OptionError(`analyze: groups: ${group}: no tensor matches ${pattern}`, { group, names });
    return [group, at];
  });
  return new Map(found);
}

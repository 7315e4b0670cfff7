// einsum.ts: sums of products by letters: of transpositions, sums over axes, elementwise and matrix products.
import { OptionError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { list, signature, text } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { mul } from '../elementwise/elementwise.ts';
import { sum } from '../reduce/reduce.ts';
import { reshape, transpose } from '../shape/shape.ts';
import { slice } from '../shape/slice.ts';
import { matmul } from './matmul.ts';

/** A tensor whose dimensions have names: letters, and digits for those of an ellipsis. */
interface Named {
  readonly x: Tensor;
  readonly names: readonly string[];
}

const sizeOf = ({ x, names }: Named, name: string): number => x.shape[names.indexOf(name)]!;

/** Dimensions in another order; those that are not there, of 1. */
function arranged({ x, names }: Named, order: readonly string[]): Tensor {
  const there = order.filter((name) => names.includes(name));
  const y = there.length < 2 ? x : transpose(x, { axes: there.map((name) => names.indexOf(name)) });
  return reshape(
    y,
    order.map((name) => (names.includes(name) ? x.shape[names.indexOf(name)]! : 1)),
  );
}

/** Where a name stands twice, the diagonal. */
function diagonals({ x, names }: Named): Named {
  const again = names.findIndex((name, i) => names.indexOf(name) < i);
  if (again < 0) return { x, names };
  const name = names[again]!;
  const first = names.indexOf(name);
  const n = x.shape[first]!;
  if (x.shape[again] !== n) throw new ShapeError(`einsum: expected equal dimensions for ${name} of [${x.shape}]`);
  const rest = names.map((_, i) => i).filter((i) => i !== first && i !== again);
  const last = rest.length === 0 ? x : transpose(x, { axes: [...rest, first, again] });
  const lead = rest.map((i) => x.shape[i]!);
  const flat = reshape(last, [...lead, n * n]);
  const y = n === 0 ? reshape(flat, [...lead, 0]) : slice(flat, { axis: -1, step: n + 1 });
  return diagonals({ x: y, names: [...rest.map((i) => names[i]!), name] });
}

/** The sum over names that nobody reads any more. */
function without({ x, names }: Named, gone: (name: string) => boolean): Named {
  const axes = names.flatMap((name, i) => (gone(name) ? [i] : []));
  return axes.length === 0 ? { x, names } : { x: sum(x, { axes }), names: names.filter((name) => !gone(name)) };
}

/** The product of two, summed over what is not among `kept`. */
function paired(a: Named, b: Named, kept: ReadonlySet<string>): Named {
  // A dimension of 1 beside a larger one is repeated: it may as well be gone.
  const narrow = (one: Named, other: Named): Named =>
    without(one, (name) => sizeOf(one, name) === 1 && other.names.includes(name) && sizeOf(other, name) !== 1);
  const [left, right] = [narrow(a, b), narrow(b, a)];
  const both = left.names.filter((name) => right.names.includes(name));
  const batch = both.filter((name) => kept.has(name));
  const summed = both.filter((name) => !kept.has(name));
  const ours = without(left, (name) => !kept.has(name) && !both.includes(name));
  const theirs = without(right, (name) => !kept.has(name) && !both.includes(name));
  const own = (one: Named): string[] => one.names.filter((name) => !both.includes(name));
  const [rows, columns] = [own(ours), own(theirs)];
  const names = [...batch, ...rows, ...columns];
  if (summed.length === 0) {
    return { x: mul(arranged(ours, names), arranged(theirs, names)), names };
  }
  const sizes = (one: Named, of: readonly string[]): number[] => of.map((name) => sizeOf(one, name));
  const product = (of: readonly number[]): number => of.reduce((n, d) => n * d, 1);
  const lead = sizes(ours, batch);
  const [m, n, k] = [product(sizes(ours, rows)), product(sizes(theirs, columns)), product(sizes(ours, summed))];
  const group = batch.length > 0 ? [product(lead)] : [];
  const x = matmul(
    reshape(arranged(ours, [...batch, ...rows, ...summed]), [...group, m, k]),
    reshape(arranged(theirs, [...batch, ...summed, ...columns]), [...group, k, n]),
  );
  return { x: reshape(x, [...lead, ...sizes(ours, rows), ...sizes(theirs, columns)]), names };
}

const wrong = (equation: string, why: string): OptionError =>
  new OptionError(`ops.einsum: argument equation: ${why}, got "${equation}"`, { option: 'equation', value: equation });

/** The names of a side: an ellipsis stands for the last `rest` digits of those that there are. */
function namesOf(equation: string, side: string, rest: (length: number) => readonly string[]): string[] {
  const [before = '', after, more] = side.split('...');
  const letters = [...before, ...(after ?? '')];
  const odd = letters.find((c) => !/[A-Za-z]/.test(c));
  if (odd !== undefined || more !== undefined) {
    throw wrong(equation, `expected letters and at most one ellipsis "..." between commas, such as "bij,bjk->bik"`);
  }
  return [...before, ...(after === undefined ? [] : rest(letters.length)), ...(after ?? '')];
}

const readEinsum = signature('ops.einsum', { equation: text, operands: list(tensor, { min: 1 }) });

/**
 * Sums of products, by a letter for each dimension: `einsum('bij,bjk->bik', [a, b])` is the batched matrix product.
 * Letters that are not behind the arrow are summed over; without an arrow the letters that stand once are the result's,
 * capitals first, in the order of the alphabet. `...` stands for dimensions that are broadcast; a letter twice in one
 * operand is its diagonal. Operands are taken from the left, two at a time; sums run in matrix products where there are
 * such.
 * @shape operands [...], ... -> [...], as the equation says
 * @throws OptionError for an equation that says nothing, or of another number of operands; ShapeError if a letter has two sizes; DTypeError
 * unless all are f32 or all f64
 * @see torch.einsum
 */
export function einsum(equation: string, operands: readonly TensorLike[]): Tensor {
  const { operands: ts } = readEinsum(arguments);
  const plain = equation.replace(/\s/g, '');
  const [left = '', right, extra] = plain.split('->');
  if (extra !== undefined) throw wrong(equation, 'expected one arrow');
  const sides = left.split(',');
  if (sides.length !== ts.length) throw wrong(equation, `expected ${ts.length} operands before the arrow`);
  const most = Math.max(0, ...sides.map((side, i) => (side.includes('...') ? ts[i]!.shape.length - side.length + 3 : 0)));
  const dots = (n: number): string[] => Array.from({ length: n }, (_, i) => String(most - n + i));
  const sizes = new Map<string, number>();
  const named = sides.map((side, i): Named => {
    const x = ts[i]!;
    const names = namesOf(equation, side, (letters) => dots(Math.max(0, x.shape.length - letters)));
    if (names.length !== x.shape.length) {
      throw new ShapeError(`einsum: expected operand ${i} of ${names.length} dimensions, "${side}", got [${x.shape}]`);
    }
    for (const [k, name] of names.entries()) {
      const [size, known = 1] = [x.shape[k]!, sizes.get(name)];
      if (size !== known && size !== 1 && known !== 1) {
        throw new ShapeError(
          `einsum: expected one size of ${/\d/.test(name) ? 'each dimension of "..."' : `"${name}"`}, got ${known} and ${size}`,
        );
      }
      sizes.set(name, known === 1 ? size : known);
    }
    return diagonals({ x, names });
  });
  const all = [...left.replace(/\.\.\.|,/g, '')];
  const once = all.filter((name) => all.indexOf(name) === all.lastIndexOf(name)).sort();
  const result = right === undefined ? [...dots(most), ...once] : namesOf(equation, right, () => dots(most));
  const twice = result.find((name, i) => result.indexOf(name) < i);
  const unknown = result.find((name) => !sizes.has(name));
  if (twice !== undefined || unknown !== undefined) {
    throw wrong(equation, `expected letters of the operands behind the arrow, each once; "${twice ?? unknown}" is not`);
  }
  const wanted = new Set(result);
  const total = named.slice(1).reduce((a, b, i) => {
    const later = named.slice(i + 2).flatMap(({ names }) => names);
    return paired(a, b, new Set([...wanted, ...later]));
  }, named[0]!);
  const last = without(total, (name) => !wanted.has(name));
  return arranged(last, result);
}

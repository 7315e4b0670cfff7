// cut-step.ts: the batch of a step that is given now, cut for the processes of a group as the batches of a fit are.
import { OptionError } from '../../errors.ts';
import { rowsBetween, typesOf } from '../feed/batch.ts';
import type { Came } from '../feed/batches.ts';
import { type Chunk, chunkOfBatches, type DrawnBatch } from '../feed/feeder.ts';
import { fed, type Shape } from '../feed/shape.ts';

/**
 * @param rows of a part, where a batch has as many as the trainer's; of a larger one, parts are larger
 * @param most parts of a batch
 * @throws OptionError for arrays that have rows of their own
 */
export function cutStep(where: string, batches: readonly Came[], rows: number, most: number): Chunk {
  const shapes = new Map<string, Shape>();
  const parts: Came[] = [];
  const drawn: DrawnBatch[] = [];
  for (const [j, { arrays, shape }] of batches.entries()) {
    const other = [...arrays].find(([, a]) => a.shape[0] !== shape.rows);
    if (other) {
      const text = `${where}: expected arrays of as many rows, since a batch is cut for the processes of a group, got ${other[1].shape[0]} of ${other[0]} and ${shape.rows}`;
      throw new OptionError(text, { name: other[0] });
    }
    const size = Math.max(rows, Math.ceil(shape.rows / most));
    for (let start = 0; start < shape.rows; start += size) {
      const count = Math.min(size, shape.rows - start);
      const part = rowsBetween(arrays, start, count);
      const made = fed(typesOf(part), count, 2);
      const known = shapes.get(made.name) ?? made;
      shapes.set(known.name, known);
      parts.push({ arrays: part, shape: known });
      const of = batches.length > 1 ? ` of batch ${j}` : ' of the batch';
      drawn.push({ arrays, rows: Int32Array.from({ length: count }, (_, i) => start + i), of });
    }
  }
  return { ...chunkOfBatches(parts, parts.length, () => ''), batch: (j) => drawn[j]! };
}

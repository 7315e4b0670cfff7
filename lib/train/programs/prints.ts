// prints.ts: what `ops.print` has told a program to tell, when a run is over.
import { sizeOf } from '../../ir/op.ts';
import type { Compiled } from './session.ts';

/**
 * Tell the prints of the first `steps` rows of a report, step by step.
 * @param batchOf which batch a step was, the last one of several
 */
export function tellPrints(
  { program: { report }, prints }: Pick<Compiled<unknown>, 'program' | 'prints'>,
  rows: ArrayBuffer,
  steps: number,
  batchOf: (step: number) => number,
): void {
  if (prints.size === 0) return;
  const columns = report.columns.map((column) => ({ ...column, print: prints.get(column.name) }));
  const skipped = report.columns.find(({ name }) => name === 'skipped');
  for (let i = 0; i < steps; i++) {
    const at = i * report.bytes;
    const isSkipped = skipped !== undefined && new Float64Array(rows, at + skipped.offset, 1)[0] !== 0;
    for (const { print, offset, type } of columns) {
      if (!print || (isSkipped && print.section === 'apply')) continue;
      print.tell(new Float64Array(rows, at + offset, sizeOf(type.shape)), batchOf(i));
    }
  }
}

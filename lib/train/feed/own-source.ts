// own-source.ts: a source of one's own, checked: its data and lengths when it is given, the indices it writes whenever it is asked.
import { DataError, OptionError } from '../../errors.ts';
import { Tensor } from '../../ir/graph.ts';
import { Place, show, whole } from '../../options/index.ts';
import { isLibrarySource, likeSource, type Source } from './source.ts';

const FUNCTIONS = ['epoch', 'trace', 'fill', 'fillInOrder'] as const;

/** A source that tells where it is wrong; those of the library are as they are. @throws OptionError */
export function checkedSource(where: string, source: Source): Source {
  if (isLibrarySource(source)) return source;
  for (const key of FUNCTIONS) {
    if (typeof source[key] !== 'function')
      throw new OptionError(`${where}: source: expected a function ${key}, got ${show(source[key])}`);
  }
  if (!(source.data instanceof Map)) throw new OptionError(`${where}: source: expected a Map as data, got ${show(source.data)}`);
  whole({ min: 1 }).read(source.length, new Place(where, 'option', 'source.length'));
  const gap = (what: string, row: Int32Array): DataError => {
    const at = row.findIndex((index) => index < 0);
    return new DataError(`${where}: source: ${what} gave no row at place ${at} of ${row.length}`, { at });
  };
  const checked: Source = {
    data: source.data,
    length: source.length,
    byRow: source.byRow ?? false,
    epoch(batchSize) {
      const given = source.epoch(batchSize);
      for (const key of ['whole', 'tail'] as const) {
        whole({ min: 0 }).read(given?.[key], new Place(where, 'option', `source.epoch.${key}`));
      }
      return given;
    },
    trace(graph, rows) {
      const batch = source.trace(graph, rows);
      for (const [name, t] of Object.entries(batch ?? { batch })) {
        if (t instanceof Tensor && t.graph === graph) continue;
        throw new OptionError(`${where}: source: trace: expected a tensor as ${name}, got ${show(t)}`, { name });
      }
      return batch;
    },
    fill(row, at) {
      clear(row);
      source.fill(row, at);
      if (!isFull(row)) throw gap(`fill of batch ${at.i}`, row);
    },
    fillInOrder(row, start) {
      clear(row);
      source.fillInOrder(row, start);
      if (!isFull(row)) throw gap(`fillInOrder from ${start}`, row);
    },
  };
  return likeSource(checked, source);
}

// Once a batch, beside steps of two microseconds: plain loops, which cost a third of fill and findIndex.
function clear(row: Int32Array): void {
  for (let i = 0; i < row.length; i++) row[i] = -1;
}
function isFull(row: Int32Array): boolean {
  for (let i = 0; i < row.length; i++) if (row[i]! < 0) return false;
  return true;
}

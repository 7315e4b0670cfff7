// same-data.ts: what tells the data of a fit from those that an epoch was begun with: what arrays hold, and what comes first of a stream.
import { type EpochData, First } from '../flow/epoch-data.ts';
import { fingerprintOf, type Tables } from './tables.ts';

const STREAM = 'a stream';

/** @param shuffle by the seed; in another order an epoch has other batches */
export function dataOf(tables: Tables, shuffle: boolean): EpochData {
  return { contents: `${fingerprintOf(tables)}${shuffle ? '' : ', in order'}`, stream: null };
}

/** @param within an epoch is under way */
export function streamOf(given: object, before: EpochData | null, within: boolean, ofBatches: boolean): EpochData {
  const last = before?.stream ?? null;
  // The same function or list is the same stream, whatever comes of it this time.
  const compared = within && last !== null && last.given.deref() !== given;
  return { contents: STREAM, stream: { given: new WeakRef(given), first: new First(last?.first ?? null, compared, ofBatches) } };
}

// events.ts: events of TensorBoard as bytes: a message each, in a record with its length and checksums, as TensorFlow writes them.
import { crc32c } from '../io/crc32c.ts';
import { ProtoWriter } from '../io/protobuf.ts';
import type { Histogram } from './histogram.ts';

/** What the first event of a file says. */
const FILE_VERSION = 'brain.Event:2';
/** SessionLog.SessionStatus.START: what was written before, from its step on, does not count any more. */
const START = 1;

/** A value of a summary. */
export type EventValue =
  | { readonly tag: string; readonly number: number }
  | { readonly tag: string; readonly histogram: Histogram };

/** The first of a file. @param time in seconds since 1970, as of all events */
export function versionEvent(time: number): Uint8Array {
  return recordOf(new ProtoWriter().double(1, time).string(3, FILE_VERSION));
}

/** From `step` on, what files of the folder have from before is left out by whoever reads them. */
export function startEvent(time: number, step: number): Uint8Array {
  return recordOf(
    new ProtoWriter()
      .double(1, time)
      .int(2, step)
      .message(7, (log) => log.uint(1, START)),
  );
}

export function summaryEvent(time: number, step: number, values: readonly EventValue[]): Uint8Array {
  const event = new ProtoWriter().double(1, time).int(2, step);
  event.message(5, (summary) => {
    for (const value of values) {
      summary.message(1, (w) => {
        w.string(1, value.tag);
        if ('number' in value) w.float(2, value.number);
        else w.message(5, (inner) => writeHistogram(inner, value.histogram));
      });
    }
  });
  return recordOf(event);
}

function writeHistogram(w: ProtoWriter, histogram: Histogram): void {
  const { limits, counts } = histogram.buckets;
  w.double(1, histogram.min).double(2, histogram.max).double(3, histogram.count);
  w.double(4, histogram.sum).double(5, histogram.squares);
  w.packedDoubles(6, limits).packedDoubles(7, counts);
}

/** Length, its checksum, the message, its checksum: numbers are little-endian. */
function recordOf(message: ProtoWriter): Uint8Array {
  const data = message.finish();
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, masked(data), true);
  return record;
}

/** Turned by 15 bits, plus a constant, as TensorFlow does: so the checksum of bytes that hold a checksum is a good one. */
function masked(bytes: Uint8Array): number {
  const sum = crc32c(bytes);
  return (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;
}

/** Of the bytes of several records whose first `done` were written: how many are whole records. */
export function wholeRecords(bytes: Buffer, done: number): number {
  let end = 0;
  while (end + 8 <= done) {
    const next = end + 16 + Number(bytes.readBigUInt64LE(end));
    if (next > done) break;
    end = next;
  }
  return end;
}

// read-events.ts: TensorBoard's files, read by a decoder that shares nothing with what writes them: lengths, checksums bit by bit, fields of messages.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A field: its number, and what it holds: a whole number, or bytes. */
type Field = readonly [number, bigint | Buffer];

export interface ReadEvent {
  readonly time: number;
  readonly step: number;
  readonly version?: string;
  /** SessionLog.status. */
  readonly status?: number;
  readonly values: readonly ReadValue[];
}

export interface ReadValue {
  readonly tag: string;
  readonly number?: number;
  readonly histogram?: {
    readonly min: number;
    readonly max: number;
    readonly count: number;
    readonly sum: number;
    readonly squares: number;
    readonly limits: readonly number[];
    readonly counts: readonly number[];
  };
}

function crc(bytes: Buffer): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let i = 0; i < 8; i++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  }
  const value = BigInt((sum ^ 0xffffffff) >>> 0);
  return Number((((value >> 15n) | (value << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

/** The messages of a file. @throws where a record is not whole, or a checksum is another */
export function recordsOf(bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    if (crc(bytes.subarray(at, at + 8)) !== bytes.readUInt32LE(at + 8)) throw new Error(`checksum of the length at ${at}`);
    const data = bytes.subarray(at + 12, at + 12 + length);
    if (crc(data) !== bytes.readUInt32LE(at + 12 + length)) throw new Error(`checksum of the data at ${at}`);
    records.push(data);
    at += 16 + length;
  }
  return records;
}

function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const type = tag & 7;
    if (type === 0) fields.push([tag >> 3, varint()]);
    else {
      const length = type === 1 ? 8 : type === 5 ? 4 : Number(varint());
      fields.push([tag >> 3, bytes.subarray(at, at + length)]);
      at += length;
    }
  }
  return fields;
}

const doubles = (bytes: Buffer): number[] => Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readDoubleLE(8 * i));

function readValue(bytes: Buffer): ReadValue {
  const fields = new Map(fieldsOf(bytes));
  const tag = (fields.get(1) as Buffer).toString();
  const [simple, histo] = [fields.get(2), fields.get(5)] as (Buffer | undefined)[];
  if (simple) return { tag, number: simple.readFloatLE(0) };
  const inner = new Map(fieldsOf(histo!)) as Map<number, Buffer>;
  const [min, max, count, sum, squares] = [1, 2, 3, 4, 5].map((n) => inner.get(n)!.readDoubleLE(0)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return { tag, histogram: { min, max, count, sum, squares, limits: doubles(inner.get(6)!), counts: doubles(inner.get(7)!) } };
}

export function eventOf(bytes: Buffer): ReadEvent {
  const fields = new Map(fieldsOf(bytes));
  const [time, version, summary, log] = [1, 3, 5, 7].map((n) => fields.get(n)) as (Buffer | undefined)[];
  const status = log && fieldsOf(log)[0]![1];
  return {
    time: time!.readDoubleLE(0),
    step: Number((fields.get(2) as bigint | undefined) ?? 0n),
    ...(version && { version: version.toString() }),
    ...(status !== undefined && { status: Number(status) }),
    values: summary ? fieldsOf(summary).map(([, value]) => readValue(value as Buffer)) : [],
  };
}

/** Events of all files of a folder, in the order of their names. */
export function eventsIn(folder: string): ReadEvent[] {
  const files = readdirSync(folder).toSorted();
  return files.flatMap((file) => recordsOf(readFileSync(join(folder, file))).map(eventOf));
}

/** The points of each curve that count: what lies at or beyond a later start is gone. */
export function curvesOf(events: readonly ReadEvent[]): Record<string, [step: number, value: number][]> {
  const curves: Record<string, [number, number][]> = {};
  for (const { step, status, values } of events) {
    if (status === 1) for (const [tag, points] of Object.entries(curves)) curves[tag] = points.filter(([at]) => at < step);
    for (const { tag, number } of values) {
      if (number === undefined) continue;
      curves[tag] ??= [];
      curves[tag].push([step, number]);
    }
  }
  return curves;
}

interface Distribution {
  readonly tag: string;
  readonly step: number;
  readonly of: NonNullable<ReadValue['histogram']>;
}

/** Distributions that count. */
export function histogramsOf(events: readonly ReadEvent[]): Distribution[] {
  let all: Distribution[] = [];
  for (const { step, status, values } of events) {
    if (status === 1) all = all.filter((one) => one.step < step);
    for (const { tag, histogram } of values) if (histogram) all.push({ tag, step, of: histogram });
  }
  return all;
}

// corpus.ts: inputs that failed once, kept as small files of JSON, which every run reads first.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, gunzipSync, gzipSync } from 'node:zlib';
import type { Failure, Input } from './spec.ts';

/** Bytes are packed where that makes them smaller. */
interface Kept {
  readonly was: string;
  readonly reader: string;
  readonly options: Input['options'];
  readonly unpacked?: number;
  readonly files: Readonly<Record<string, { readonly base64: string } | { readonly gzip: string }>>;
}

export interface Entry extends Input {
  readonly name: string;
}

export function readCorpus(folder: string): Entry[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => {
    const { was, files, ...input } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Kept;
    return {
      name,
      ...input,
      files: Object.fromEntries(Object.entries(files).map(([file, text]) => [file, bytesOf(text)])),
    };
  });
}

/** @returns the file it was written to */
export function keep(folder: string, { reader, options, files, unpacked }: Input, { kind, message }: Failure): string {
  const packed = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, smallest(bytes)]));
  const was = `${kind}: ${message.split('\n')[0]!.slice(0, 200)}`;
  const kept: Kept = { was, reader, options, ...(unpacked !== undefined && { unpacked }), files: packed };
  const name = `${reader}-${kind}-${crc32(JSON.stringify(packed)).toString(16).padStart(8, '0')}.json`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), `${JSON.stringify(kept, null, 2)}\n`);
  return join(folder, name);
}

function smallest(bytes: Uint8Array): Kept['files'][string] {
  const [plain, gzip] = [Buffer.from(bytes).toString('base64'), gzipSync(bytes, { level: 9 }).toString('base64')];
  return plain.length <= gzip.length ? { base64: plain } : { gzip };
}

const bytesOf = (text: Kept['files'][string]): Uint8Array =>
  'gzip' in text ? gunzipSync(Buffer.from(text.gzip, 'base64')) : Buffer.from(text.base64, 'base64');

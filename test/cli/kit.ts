// kit.ts: runs commands within the test's process, with streams that are kept, and makes folders that go away.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { onTestFinished } from 'vitest';
import { main } from '../../lib/cli/cli.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as JSON lines. */
  json(): Record<string, unknown>[];
}

export interface RunOptions {
  readonly cwd?: string;
  readonly tty?: boolean;
  readonly env?: Record<string, string>;
  readonly signal?: AbortSignal;
  /** Sees what is written as it is written. */
  readonly onStdout?: (text: string) => void;
}

export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { cwd = tmpdir(), tty = false, env = {}, signal = new AbortController().signal, onStdout } = options;
  const texts = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof texts) => ({
    isTTY: tty,
    columns: 100,
    rows: 40,
    write(text: string) {
      texts[name] += text;
      if (name === 'stdout') onStdout?.(text);
    },
  });
  const code = await main(argv, { stdout: stream('stdout'), stderr: stream('stderr'), env, cwd, signal });
  const json = (): Record<string, unknown>[] => {
    const lines = texts.stdout.split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  return { code, ...texts, json };
}

/** A folder with these files in it, removed when the test has finished. */
export function folder(files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), 'gradclip-cli-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return path;
}

/** An IDX file of bytes. */
export function idx(shape: readonly number[], data: Uint8Array): Uint8Array {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head[2] = 8;
  head[3] = shape.length;
  for (const [i, d] of shape.entries()) head.writeUInt32BE(d, 4 + 4 * i);
  return Buffer.concat([head, data]);
}

const TYPES: Readonly<Record<string, string>> = { Float32Array: '<f4', Int32Array: '<i4' };

/** An array as `numpy.save` writes it. */
function npy(shape: readonly number[], data: Float32Array | Int32Array): Buffer {
  const of = `{'descr': '${TYPES[data.constructor.name]}', 'fortran_order': False, 'shape': (${shape.join(',')},), }`;
  const header = Buffer.from(`${of.padEnd(117)}\n`);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.from([header.length, 0]), header, bytesOf(data)]);
}
const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Int32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Arrays as `numpy.savez` writes them: a zip archive of stored files. */
export function npz(arrays: Readonly<Record<string, readonly [readonly number[], Float32Array | Int32Array]>>): Uint8Array {
  const [locals, central]: [Buffer[], Buffer[]] = [[], []];
  let offset = 0;
  for (const [name, [shape, data]] of Object.entries(arrays)) {
    const [file, bytes] = [Buffer.from(`${name}.npy`), npy(shape, data)];
    const head = Buffer.alloc(26);
    for (const [at, value] of [
      [10, crc32(bytes)],
      [14, bytes.length],
      [18, bytes.length],
    ] as const)
      head.writeUInt32LE(value, at);
    head.writeUInt16LE(20, 0);
    head.writeUInt16LE(file.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), head, file, bytes]);
    const entry = Buffer.alloc(14);
    entry.writeUInt32LE(offset, 10);
    locals.push(local);
    central.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), head, entry, file]));
    offset += local.length;
  }
  const [directory, end] = [Buffer.concat(central), Buffer.alloc(22)];
  end.write('PK\x05\x06', 0, 'latin1');
  for (const at of [8, 10]) end.writeUInt16LE(central.length, at);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

// safetensors-shards.ts: weights in several safetensors files, with an index that says which file has which: `model.safetensors.index.json`.
import { dirname, join } from 'node:path';
import { DataError } from '../../errors.ts';
import { show } from '../../options/index.ts';
import { firstBytes, readBytes, type TensorData, tooLong, withFile } from '../file/file.ts';
import { inTurns, type Parts } from '../file/pace.ts';
import { JsonCursor } from '../json-cursor.ts';
import { MAX_HEADER, MAX_INDEX, MAX_NAME, MAX_TENSORS, MAX_WEIGHTS } from '../limits.ts';
import { malformed } from './safetensors-header.ts';
import { readFile, type Safetensors, type Unread } from './safetensors-read.ts';

/** What the names of such indices end with. */
const INDEX = /\.json$/i;

/**
 * Read a file, or all those that an index names, for somebody to whom tensors that cannot be read may not matter.
 * @param maxBytes of all files together
 * @param wanted names; not given: all. Files that have none of them are not opened
 * @throws DataError for what is malformed or missing, and for a tensor that its file does not have
 */
export async function readTensors(
  file: string,
  maxBytes: number = MAX_WEIGHTS,
  wanted?: ReadonlySet<string>,
): Promise<Safetensors & Unread> {
  if (!INDEX.test(file) || !(await isText(file))) return readFile(file, maxBytes, wanted);
  const bytes = await readBytes(file, Math.min(maxBytes, MAX_INDEX));
  const { shards, metadata } = await inTurns(parseIndex(bytes, file));
  const found = new Map<string, TensorData>();
  const failed = new Map<string, DataError>();
  let left = maxBytes - bytes.length;
  for (const [shard, names] of shards) {
    const asked = wanted ? new Set(names.filter((name) => wanted.has(name))) : new Set(names);
    if (asked.size === 0) continue;
    const there = join(dirname(file), shard);
    const { tensors, unread, size } = await ofShard(file, there, left, asked);
    left -= size;
    const lost = [...asked].find((name) => !tensors.has(name) && !unread.has(name));
    if (lost !== undefined) {
      throw new DataError(`${there}: no tensor has the name ${show(lost)}, which ${file} says it has`, {
        file: there,
        tensor: lost,
      });
    }
    for (const [name, t] of tensors) found.set(name, t);
    for (const [name, error] of unread) failed.set(name, error);
  }
  // In the order of the index.
  const order = [...shards.values()].flat();
  const pick = <T>(from: ReadonlyMap<string, T>): Map<string, T> =>
    new Map(order.flatMap((name) => (from.has(name) ? [[name, from.get(name)!] as const] : [])));
  return { tensors: pick(found), metadata, unread: pick(failed) };
}

/** Whether it cannot be a safetensors file, whatever it is called: that begins with the length of its header. */
const isText = (file: string): Promise<boolean> =>
  withFile(file, async (handle) => {
    const head = await firstBytes(handle, 8);
    return head.length < 8 || head.readBigUInt64LE() > BigInt(MAX_HEADER);
  });

async function ofShard(
  index: string,
  shard: string,
  maxBytes: number,
  wanted: ReadonlySet<string>,
): Promise<Safetensors & Unread & { readonly size: number }> {
  try {
    return await readFile(shard, maxBytes, wanted);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    if (error.details.maxBytes !== undefined) throw tooLong(shard, maxBytes);
    if (error.details.code !== 'ENOENT') throw error;
    throw new DataError(`${shard}: no such file, which ${index} names for ${wanted.size} tensors`, error.details, {
      cause: error,
    });
  }
}

/** Names of tensors by their file. */
interface Index {
  readonly shards: ReadonlyMap<string, string[]>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Names between two places where the event loop may have a turn. */
const PART = 2048;

function* parseIndex(bytes: Uint8Array, file: string): Parts<Index> {
  const json = new JsonCursor(bytes, (why, at) => malformed(file, at, `the index is not JSON in UTF-8: ${why}`));
  const bad = (why: string): DataError => malformed(file, json.at, why);
  const shards = new Map<string, string[]>();
  const metadata = new Map<string, string>();
  const tensors = new Set<string>();
  const keys = new Set<string>();
  if (json.peek() !== '{') throw bad('expected an index { "weight_map": { tensor: file } }');
  for (const key of json.keys(MAX_NAME)) {
    if (keys.has(key)) throw bad(`the index has the key ${show(key)} twice`);
    keys.add(key);
    if (key === 'metadata') {
      if (json.peek() !== '{') throw bad('expected metadata to be an object');
      for (const name of json.keys(MAX_NAME)) {
        const from = json.at;
        const isText = json.peek() === '"';
        if (isText) metadata.set(name, json.text(MAX_NAME));
        else {
          json.skip(MAX_NAME);
          metadata.set(name, Buffer.from(bytes.subarray(from, json.at)).toString('latin1').trim());
        }
      }
    } else if (key === 'weight_map') {
      if (json.peek() !== '{') throw bad('expected weight_map to be an object of files by tensor');
      for (const name of json.keys(MAX_NAME)) {
        if (tensors.has(name)) throw bad(`the index has the tensor ${show(name)} twice`);
        if (tensors.size === MAX_TENSORS) throw bad(`expected at most ${MAX_TENSORS} tensors, got more`);
        if (json.peek() !== '"') throw bad(`expected the file of ${show(name)} to be a text`);
        const shard = json.text(MAX_NAME);
        if (!isName(shard)) throw bad(`expected the file of ${show(name)} to lie beside the index, got ${show(shard)}`);
        tensors.add(name);
        shards.set(shard, shards.get(shard) ?? []);
        shards.get(shard)!.push(name);
        if (tensors.size % PART === 0) yield;
      }
    } else json.skip(MAX_NAME);
  }
  if (json.peek() !== '') throw json.wrong('the end');
  if (!keys.has('weight_map')) throw bad('expected an index with weight_map, it is missing');
  return { shards, metadata: Object.fromEntries(metadata) };
}

/** A file in the same folder, on any system: no path, no drive or stream of Windows, no folder above. */
function isName(file: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no name has them
  return file !== '' && !/[/\\:\x00-\x1f]/.test(file) && !/^\.{1,2}$/.test(file) && !INDEX.test(file);
}

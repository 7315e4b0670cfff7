// inspect.ts: `gradclip inspect FILE`: what a safetensors or IDX file holds, without its data (safetensors) or its use (IDX).
import { resolve } from 'node:path';
import { readIdx } from '../../io/arrays/idx.ts';
import { inspectSafetensors } from '../../io/arrays/safetensors.ts';
import { firstBytes, withFile } from '../../io/file/file.ts';
import { sizeOf } from '../../ir/op.ts';
import { bytes, count, table } from '../../text/format.ts';
import type { Arguments, Command } from '../args.ts';
import { EXIT } from '../exit.ts';
import type { IO } from '../io.ts';
import type { Screen } from '../screen.ts';

export const INSPECT: Command = {
  name: 'inspect',
  operands: ['FILE'],
  summary: 'Show what a safetensors or IDX file holds: tensors, dtypes, shapes, sizes, metadata',
  flags: {},
};

interface Row {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly bytes: number;
}

/** What a checkpoint of a Trainer keeps beside its parameters has this prefix. */
const OWN = 'gradclip.';

export async function inspect(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const file = resolve(io.cwd, args.operands[0]!);
  if (await looksLikeIdx(file)) await inspectIdx(file, screen);
  else await inspectWeights(file, screen);
  return EXIT.ok;
}

async function inspectWeights(file: string, screen: Screen): Promise<void> {
  const { entries, metadata } = await inspectSafetensors(file);
  const rows = entries.map(({ name, dtype, shape, begin, end }): Row => {
    return { name, dtype, shape, elements: sizeOf(shape), bytes: end - begin };
  });
  const weights = rows.filter((row) => !row.name.startsWith(OWN));
  const total = rows.reduce((sum, row) => sum + row.bytes, 0);
  const parameters = weights.reduce((sum, row) => sum + row.elements, 0);
  screen.emit({ format: 'safetensors', file, tensors: rows, metadata, parameters, bytes: total });
  if (screen.json) return;
  showTensors(rows, screen);
  screen.say();
  screen.say(`${count(parameters)} parameters in ${count(weights.length)} tensors, ${bytes(total)} in all`);
  const pairs = Object.entries(metadata);
  if (pairs.length > 0) screen.say();
  for (const line of table(
    pairs.map(([key, value]) => [screen.paint('dim', key), oneLine(value)]),
    ['left', 'left'],
  )) {
    screen.say(line);
  }
}

async function inspectIdx(file: string, screen: Screen): Promise<void> {
  const { dtype, shape, data } = await readIdx(file);
  const row: Row = { name: '(data)', dtype, shape, elements: sizeOf(shape), bytes: data.byteLength };
  screen.emit({ format: 'idx', file, dtype, shape, elements: row.elements, bytes: row.bytes });
  if (!screen.json) showTensors([row], screen);
}

function showTensors(rows: readonly Row[], screen: Screen): void {
  const head = ['name', 'dtype', 'shape', 'elements', 'size'].map((name) => screen.paint('dim', name));
  const body = rows.map((row) => [row.name, row.dtype, `[${row.shape.join(', ')}]`, count(row.elements), bytes(row.bytes)]);
  for (const line of table([head, ...body], ['left', 'left', 'left', 'right', 'right'])) screen.say(line);
}

/** IDX begins with two zero bytes, a dtype and a number of dimensions; safetensors with a length that cannot look like that. */
async function looksLikeIdx(file: string): Promise<boolean> {
  const head = await withFile(file, (handle) => firstBytes(handle, 4));
  const gzip = head[0] === 0x1f && head[1] === 0x8b;
  return gzip || (head[0] === 0 && head[1] === 0 && head[2]! >= 8 && head[2]! <= 14 && head[3]! > 0);
}

function oneLine(text: string): string {
  const flat = text.replace(/\s+/g, ' ');
  return flat.length > 100 ? `${flat.slice(0, 97)}...` : flat;
}

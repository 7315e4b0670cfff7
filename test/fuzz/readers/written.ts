// written.ts: what is written here is read again: over a file that is there, where nothing can be written, and what no file can hold.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { GradclipError } from '../../../lib/errors.ts';
import { readSafetensors, serializeSafetensors, type TensorData, writeSafetensors } from '../../../lib/io/arrays/safetensors.ts';
import { temporaryFor } from '../../../lib/io/file/temporary.ts';
import { Random } from '../../torture/random.ts';
import { STORED, type StoredName, shape, sizeOf, values } from '../make/tensors.ts';
import { anyText, word } from '../make/text.ts';
import { Broken, type Drawn, type Input, type Reader } from '../spec.ts';
import { plainSafetensors } from './safetensors.ts';

const OWN: readonly (readonly [TensorData['dtype'], StoredName])[] = [
  ['f32', 'f32'],
  ['f64', 'f64'],
  ['i32', 'i32'],
  ['u8', 'u8'],
];
const ARRAYS = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array } as const;

interface Content {
  readonly tensors: Map<string, TensorData>;
  readonly metadata: Record<string, string>;
}

/** Tensors and texts to write. */
function content(r: Random): Content {
  const tensors = Array.from({ length: r.between(0, 4) }, (): [string, TensorData] => {
    const [dtype, stored] = r.pick(OWN);
    const { shape: of, bytes } = values(r, STORED[stored], shape(r));
    const data = new ARRAYS[dtype](bytes.buffer as ArrayBuffer, 0, sizeOf(of));
    return [r.chance(0.3) ? anyText(r, 12) : word(r), { dtype, shape: of, data }];
  });
  const pairs = Array.from({ length: r.between(0, 3) }, () => [word(r), anyText(r, r.pick([5, 300]))]);
  return { tensors: new Map(tensors), metadata: Object.fromEntries(pairs) as Record<string, string> };
}

/** One of them as none can be. */
function unfit(r: Random, { tensors, metadata }: Content): Content {
  const data = new Float32Array(1);
  const one = (name: string, t: unknown): Content => ({ tensors: new Map([...tensors, [name, t as TensorData]]), metadata });
  return r.pick([
    () => one('__metadata__', { dtype: 'f32', shape: [1], data }),
    () =>
      one('x', {
        dtype: 'f32',
        shape: r.pick<unknown[]>([[0], [2], [2 ** 53], [-1], [-1, -1], [0.5, 2], ['1'], [null], [1n]]),
        data,
      }),
    () => one('x', { dtype: r.pick(['i32', 'f16', '__proto__']), shape: [1], data }),
    () => one('x', r.pick([null, 1, {}, { dtype: 'f32', shape: 1, data }])),
    () => one('x', { dtype: 'f32', shape: new Array(65).fill(1), data }),
    () => one('x'.repeat(5000), { dtype: 'f32', shape: [1], data }),
    () => ({ tensors, metadata: { ...metadata, x: r.pick([1, null, {}]) as never } }),
  ])();
}

/** What there is where the file is to be. */
const PLACES = [
  'nothing',
  'nothing',
  'a file',
  'a link',
  'a link to itself',
  'a folder',
  'no folder',
  'leftovers',
  'two at once',
  'a long name',
] as const;
type Place = (typeof PLACES)[number];

function draw(r: Random): Drawn {
  const options = { seed: r.between(0, 2 ** 31), place: r.pick(PLACES), fits: r.chance(0.8) };
  return r.chance(0.001) ? { files: {}, options: { ...options, long: LONG }, unpacked: LONG } : { files: {}, options };
}

/** Characters of a text that no header may have. */
const LONG = 17 << 20;

const BEFORE = Buffer.from('what was there before');

/** Makes the place. @returns the file that is to be written */
async function prepared(place: Place, folder: string): Promise<string> {
  const file = join(folder, place === 'a long name' ? 'n'.repeat(250) : 'a.safetensors');
  if (place === 'a file' || place === 'leftovers') {
    writeFileSync(file, BEFORE);
    chmodSync(file, 0o640);
  }
  if (place === 'a link') {
    writeFileSync(join(folder, 'target'), BEFORE);
    symlinkSync('target', file);
  }
  if (place === 'a link to itself') symlinkSync(basename(file), file);
  if (place === 'a folder') mkdirSync(file);
  if (place === 'leftovers') {
    const own = await temporaryFor(file);
    // Of a process that is no more, of this one, which does not have it open, and of two elsewhere, of which one was there long ago.
    const elsewhere = (digit: string): string =>
      own.replace(/-[0-9a-f]+(?=-[0-9a-f]+\.tmp$)/, (place) => `-${digit.repeat(place.length - 1)}`);
    for (const name of [own.replace(`.${process.pid}-`, '.4194303-'), own, elsewhere('0'), elsewhere('1')])
      writeFileSync(name, '');
    utimesSync(elsewhere('1'), 0, 0);
  }
  return place === 'no folder' ? join(folder, 'none', 'a.safetensors') : file;
}

async function rewritten({ options }: Input, folder: string): Promise<unknown> {
  const { seed, place, fits } = options as { readonly seed: number; readonly place: Place; readonly fits: boolean };
  const r = new Random(seed, 'written');
  const drawn = content(r);
  const { tensors, metadata: texts } = fits ? drawn : unfit(r, drawn);
  const metadata = typeof options.long === 'number' ? { ...texts, long: 'x'.repeat(options.long) } : texts;
  const there = join(folder, 'there');
  rmSync(there, { recursive: true, force: true });
  mkdirSync(there);
  const file = await prepared(place, there);
  const before = existsSync(file) && statSync(file).isFile();
  try {
    const other = place === 'two at once' ? writeSafetensors(file, new Map(), { other: 'one' }) : null;
    const written = await Promise.allSettled([other, writeSafetensors(file, tensors, metadata)]);
    for (const one of written) if (one.status === 'rejected') throw one.reason;
  } catch (error) {
    if (!(error instanceof GradclipError)) throw error;
    if (before && Buffer.compare(readFileSync(file), BEFORE) !== 0) throw new Broken('refused, and yet the file has changed');
    if (place === 'nothing' && readdirSync(there).length > 0) throw new Broken(`refused, and there is ${readdirSync(there)}`);
    throw error;
  }
  const bytes = readFileSync(file);
  if (Buffer.compare(bytes, serializeSafetensors(tensors, metadata)) !== 0) throw new Broken('serialize and write differ');
  if (place === 'a file' && (statSync(file).mode & 0o777) !== 0o640) throw new Broken('the mode has changed');
  const left = readdirSync(there).filter((name) => name.endsWith('.tmp')).length;
  if (left !== (place === 'leftovers' ? 1 : 0)) throw new Broken(`${left} temporary files are left`);
  const [was, is] = [plainSafetensors({ tensors, metadata }), plainSafetensors(await readSafetensors(file))];
  if (!isDeepStrictEqual(was, is)) throw new Broken('what was read is not what was written');
  return is;
}

export const WRITTEN: Reader = {
  covers: ['io.writeSafetensors', 'io.serializeSafetensors'],
  reaches: ['io/file/write.ts', 'io/file/temporary.ts'],
  draw,
  ways: (input, folder) => [{ name: 'writeSafetensors', run: () => rewritten(input, folder) }],
};

// fuzz.test.ts: inputs drawn for every reader, in a short form with fixed seeds, after those that are kept; that no reader is left out, and that
// whatever may be wrong would be seen.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DataError } from '../../lib/errors.ts';
import { signatures } from '../../lib/options/index.ts';
import { run } from '../cli/kit.ts';
import { PUBLIC } from '../faces/public.ts';
import { check, LIMITS, type Limits } from './check.ts';
import { keep, readCorpus } from './corpus.ts';
import { drawInput, readerOf } from './draw.ts';
import { Lane } from './lane.ts';
import { longestTurn } from './measure.ts';
import { READERS } from './readers/index.ts';
import { shrink } from './shrink.ts';
import type { Drawn, Input, Way } from './spec.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** A folder that goes away when the test has finished. */
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'gradclip-fuzz-test-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

describe('no reader is left out', () => {
  const covered = new Set(Object.values(READERS).flatMap(({ covers }) => covers));

  /** Public, and takes a path, bytes or JSON, and yet none of what it takes is of strangers. */
  const WRITERS = ['Trainer.savePruned', 'callbacks.csv'];

  it('of the public functions', () => {
    const takes = PUBLIC.filter(({ path }) => {
      return ['file', 'from', 'bytes', 'json'].some((name) => name in (signatures.get(path)?.positional ?? {}));
    }).map(({ path }) => path);
    expect(takes.length).toBeGreaterThan(12);
    expect(takes.filter((path) => !covered.has(path)).sort()).toEqual(WRITERS);
    for (const path of covered) {
      if (!path.startsWith('gradclip ')) expect(signatures.has(path), path).toBe(true);
    }
  });

  it('of the commands', async () => {
    const { stdout } = await run(['--help']);
    const commands = [...stdout.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => `gradclip ${name}`);
    expect(commands.length).toBeGreaterThan(5);
    // They run workloads of their own, and compile our own sources; what demo is given is read by io.readText.
    const own = ['gradclip bench', 'gradclip build', 'gradclip demo'];
    expect(commands.filter((name) => !covered.has(name)).sort()).toEqual(own);
  });

  it('of the files of lib that open, unpack or parse', () => {
    const reached = new Set(Object.values(READERS).flatMap(({ reaches }) => reaches));
    const files = (readdirSync(join(ROOT, 'lib'), { recursive: true }) as string[]).filter((file) => file.endsWith('.ts'));
    const opening = /from 'node:(fs|zlib)|JSON\.parse\(|\b(withFile|withSource|readBytes|parseJson)\(/;
    const found = files.filter((file) => opening.test(readFileSync(join(ROOT, 'lib', file), 'utf8')));
    for (const file of reached) expect(files, file).toContain(file);
    expect(found.filter((file) => !reached.has(file)).sort()).toEqual(NOT_OF_STRANGERS);
  });

  it('and each has an equal share', () => {
    const turns = new Map<string, number>();
    for (let seed = 0; seed < 1000; seed++) turns.set(readerOf(seed, null), (turns.get(readerOf(seed, null)) ?? 0) + 1);
    expect([...turns.keys()].sort()).toEqual(Object.keys(READERS).sort());
    const least = Math.floor(1000 / Object.keys(READERS).length);
    for (const [name, n] of turns) expect(n, name).toBeGreaterThanOrEqual(least);
  });
});

/** They open or parse what is of this package, of the system, of the other processes of a group, or is written by them. */
const NOT_OF_STRANGERS = [
  'callbacks/csv.ts',
  'callbacks/event-file.ts',
  'cli/demo/corpus.ts',
  'cli/lab/jobs.ts',
  'errors/places.ts',
  'io/file/append.ts',
  'io/file/lock.ts',
  'mpi/cores.ts',
  'mpi/group.ts',
  'mpi/init.ts',
  'mpi/words.ts',
  'native/cures.ts',
  'native/failure.ts',
  'native/find.ts',
  'native/image.ts',
  'native/package.ts',
  'native/room.ts',
  'onnx/file.ts',
  'train/group/first.ts',
  'train/run/together.ts',
  'train/watch/checkpointing.ts',
];

it('a seed gives the same input, whatever was drawn before', () => {
  for (const reader of [
    'npy',
    'npz',
    'idx',
    'csv',
    'safetensors',
    'text',
    'record',
    'config',
    'tokenizer',
    'transform',
    'data',
  ]) {
    const one = drawInput(77, reader);
    drawInput(3, reader);
    expect(drawInput(77, reader)).toEqual(one);
    expect(drawInput(78, reader)).not.toEqual(one);
  }
});

describe('what is wrong is seen', () => {
  const input: Input & Drawn = { reader: 'one', files: { a: Buffer.from('abc') }, options: {} };
  const limits = { ...LIMITS, turn: 10, bytes: 16 << 20, message: 40 };
  const kindOf = async (
    run: Way['run'],
    more: Partial<Way & Drawn & { limits: Partial<Limits> }> = {},
    ...others: Way[]
  ): Promise<string | undefined> => {
    const ways = [...others, { name: 'way', ...more, run }];
    const reader = { covers: [], reaches: [], draw: () => input, ways: () => ways };
    const { failure } = await check(
      { ...input, ...more } as Input & Drawn,
      folder(),
      { one: reader },
      { ...limits, ...more.limits },
    );
    return failure?.kind;
  };
  const spin = (ms: number): void => {
    // Time that this process works: it may wait for a core meanwhile.
    for (const from = process.cpuUsage(); process.cpuUsage(from).user < 1000 * ms; );
  };

  it('and what is right is not', async () => {
    expect(await kindOf(() => [1, 2], { expects: [1, 2] })).toBe(undefined);
    expect(await kindOf(() => Promise.reject(new DataError('a line that is none')))).toBe(undefined);
  });
  it('errors that are none of the library', async () => {
    expect(await kindOf(() => (null as never as string).length)).toBe('throws');
    expect(await kindOf(() => Promise.reject('text'))).toBe('throws');
  });
  it('messages that nobody can read, or that control a terminal', async () => {
    expect(await kindOf(() => Promise.reject(new DataError('')))).toBe('message');
    expect(await kindOf(() => Promise.reject(new DataError('long '.repeat(10))))).toBe('message');
    const error = new DataError('name');
    error.message = 'name \x1b]0;title';
    expect(await kindOf(() => Promise.reject(error))).toBe('message');
  });
  it('values that are not those of the file', async () => {
    expect(await kindOf(() => [1, -0], { expects: [1, 0] })).toBe('wrong');
    expect(await kindOf(() => Promise.reject(new DataError('no')), { expects: [1] })).toBe('refused');
  });
  it('ways that give other values, or of which one refuses', async () => {
    const first: Way = { name: 'first', alike: 'both', run: () => 1 };
    expect(await kindOf(() => 2, { alike: 'both' }, first)).toBe('differs');
    expect(await kindOf(() => Promise.reject(new DataError('no')), { alike: 'both' }, first)).toBe('differs');
    expect(await kindOf(() => 1, { alike: 'both' }, first)).toBe(undefined);
  });
  it('time', async () => {
    expect(await kindOf(() => spin(60), { sync: true, limits: { ms: 50 } })).toBe('slow');
    expect(await kindOf(() => new Promise((done) => setTimeout(done, 60)), { limits: { ms: 50 } })).toBe('slow');
  });
  it('the event loop without a turn', async () => {
    const blocks = async (): Promise<void> => {
      await null;
      spin(30);
    };
    expect(await kindOf(blocks)).toBe('blocks');
    expect(await kindOf(blocks, { sync: true })).toBe(undefined);
    expect(await longestTurn(() => spin(30))).toBeGreaterThan(10);
  });
  it('memory, also where it is given back at once', async () => {
    expect(await kindOf(() => Buffer.alloc(64 << 20, 1).length, { sync: true })).toBe('memory');
    expect(await kindOf(() => Buffer.alloc(64 << 20, 1).length, { sync: true, unpacked: 10 << 20 })).toBe(undefined);
  });
  it('processes that die or hang, with what they were at', async () => {
    const script = pathToFileURL(join(ROOT, 'dist/test/children/dying.js'));
    const lane = new Lane(folder(), { script, hangs: 1500 });
    const seen = await lane.range(0, 15, 'npy');
    await lane.close();
    expect(seen.map(({ seed }) => seed)).toEqual(Array.from({ length: 15 }, (_, i) => i));
    const failed = seen.filter(({ failure }) => failure !== null).map(({ seed, failure }) => [seed, failure!.kind]);
    expect(failed).toEqual([
      [7, 'dies'],
      [12, 'hangs'],
    ]);
  });
});

it('what fails is made smaller, kept, and read again', async () => {
  const input: Input = { reader: 'one', files: { a: Buffer.from('one of many: x'), b: Buffer.from('text') }, options: { c: 1 } };
  const failure = { kind: 'throws', way: 'way', message: 'Error: at 3' } as const;
  const fails = async ({ files }: Input): Promise<typeof failure | null> => (files.a!.includes(120) ? failure : null);
  const small = await shrink(fails, input, failure);
  expect(small).toEqual({ reader: 'one', files: { a: Buffer.from('x'), b: Buffer.from('') }, options: {} });
  const kept = folder();
  keep(kept, small, failure);
  keep(kept, { ...small, files: { a: new Uint8Array(1000) } }, failure);
  const entries = readCorpus(kept).map(({ name, files, ...more }) => ({ ...more, a: Buffer.from(files.a!).toString() }));
  expect(entries).toContainEqual({ reader: 'one', options: {}, a: 'x' });
  expect(entries).toContainEqual({ reader: 'one', options: {}, a: '\0'.repeat(1000) });
});

it('those that are kept and 240 inputs: nothing is wrong', async () => {
  const args = [resolve(ROOT, 'dist/test/fuzz/run.js'), '--inputs', '240', '--seed', '20261129', '--jobs', '2', '--no-coverage'];
  const { code, out } = await new Promise<{ code: unknown; out: string }>((done) => {
    execFile(process.execPath, args, (error, stdout, stderr) => done({ code: error?.code ?? 0, out: stdout + stderr }));
  });
  expect(out).toContain('240 inputs, 0 failed');
  expect(code).toBe(0);
});

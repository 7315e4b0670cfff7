// texts.test.ts: text and JSON of unknown origin: encodings, what is no text, depth, sizes; and that nothing walks through it by calling itself.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../lib/cli/config/config.ts';
import { fromJSON as transformOf } from '../../lib/data/preprocess.ts';
import { fromJSON } from '../../lib/data/tokenizer.ts';
import { DataError, OptionError, ShapeError } from '../../lib/errors.ts';
import { preprocess } from '../../lib/index.ts';
import { readText } from '../../lib/io/index.ts';
import { parseJson } from '../../lib/io/json.ts';
import { readJson } from '../../lib/io/json-file.ts';
import { MAX_CONFIG, MAX_DEPTH, MAX_NODES } from '../../lib/io/limits.ts';
import { nearest } from '../../lib/options/words.ts';
import { steppedClock, turnsDuring } from './kit.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-texts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
function save(bytes: Uint8Array | string, name = 'text.txt'): string {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

describe('readText', () => {
  it('is what the bytes say, where a piece ends within a character too', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(3),
        fc.constantFrom('\u00e9', '\u20ac', '\u{1f600}', 'a'),
        fc.boolean(),
        async (shift, c, packed) => {
          const text = 'x'.repeat(shift) + c.repeat(70_000);
          expect(await readText(save(packed ? gzipSync(text, { level: 1 }) : text))).toBe(text);
        },
      ),
      { numRuns: 12 },
    );
  });

  it('names the first byte that is no UTF-8, wherever it lies', async () => {
    for (const before of [
      '',
      'a',
      '\u00e9',
      '\u20ac'.repeat(30_000),
      `${'x'.repeat(65_535)}\u00e9`,
      'x'.repeat(65_536),
      '\u{1f600}'.repeat(16_384),
    ]) {
      for (const [bad, byte] of [
        [[0xff], 255],
        [[0xe2, 0x82], 226],
        [[0xe9, 0x20], 233],
        [[0xf0, 0x9f, 0x98, 0x41], 240],
      ] as const) {
        const offset = Buffer.byteLength(before);
        const error = await readText(save(Buffer.concat([Buffer.from(before), Buffer.from(bad)]))).catch((e: unknown) => e);
        expect(error).toBeInstanceOf(DataError);
        expect((error as DataError).message).toContain(`offset ${offset}: expected UTF-8, got byte ${byte} (iconv -f latin1`);
        expect((error as DataError).details).toMatchObject({ offset });
      }
    }
  });

  it.each<[string, Uint8Array | string, RegExp]>([
    [
      'a Git LFS pointer',
      'version https://git-lfs.github.com/spec/v1\noid',
      /expected a text in UTF-8, got a Git LFS pointer: run git lfs pull/,
    ],
    ['UTF-16', Buffer.from('\ufeffabc', 'utf16le'), /got text in UTF-16: iconv/],
    ['UTF-16 without a mark', Buffer.from('a text', 'utf16le'), /got text in UTF-16: iconv/],
    ['a web page', '<!doctype html><title>404</title>', /got a web page: download the file itself/],
    ['a zip', Buffer.from('PK\x03\x04text'), /got a zip archive: .*unpack it first/],
    ['a pickle', Buffer.from([0x80, 4, 0x95, 0]), /got a pickle/],
    ['a PDF', '%PDF-1.7', /got a PDF document/],
    ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]), /got a file packed with zstd: unpack it first/],
    ['gzip in gzip', gzipSync(gzipSync('text')), /got a gzip file: unpack it first/],
  ])('refuses %s', async (_, bytes, message) => {
    const error = await readText(save(bytes)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toMatch(message);
  });

  it('takes any text: a page where its name says so, JSON, nothing, what begins as a magic number', async () => {
    const page = '<!doctype html>';
    for (const name of ['a.html', 'a.HTM', 'a.xml', 'a.html.gz'])
      expect(await readText(save(name.endsWith('z') ? gzipSync(page) : page, name))).toBe(page);
    for (const text of ['{"a": 1}', '[1]', '', 'GGUF is a format', 'PAR1, PAR2', 'BZh', 'a\0b'])
      expect(await readText(save(text))).toBe(text);
  });

  it('has a limit, also unpacked, and gives turns to the event loop', async () => {
    const text = 'abcdefgh'.repeat(1 << 17);
    await expect(readText(save(gzipSync(text)), { maxBytes: text.length - 1 })).rejects.toThrow(/option maxBytes/);
    expect(await readText(save(text), { maxBytes: text.length })).toHaveLength(text.length);
    await expect(readText(save(text), { maxBytes: 0 })).rejects.toThrow(OptionError);
    steppedClock();
    const turns = await turnsDuring(() => readText(save(text)));
    expect(turns).toBeGreaterThanOrEqual(text.length / 65_536 / 2);
  });
});

describe('JSON', () => {
  const deep = (n: number): string => `${'['.repeat(n)}1${']'.repeat(n)}`;

  it('says what JSON.parse says', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('"', '\\', '[', ']', '{', '}', ',', ':', '1', 'a') }), (text) => {
        const of = (parse: (text: string) => unknown): unknown => {
          try {
            return parse(text);
          } catch (error) {
            expect(error).toBeInstanceOf(SyntaxError);
            return 'refused';
          }
        };
        expect(of(parseJson)).toEqual(of(JSON.parse));
      }),
      { numRuns: 2000 },
    );
    expect(parseJson('{"a":null,"b":[null]}', true)).toEqual({ b: [undefined] });
    expect(parseJson(`"${'['.repeat(1000)}"`)).toHaveLength(1000);
  });

  it('has a depth, and a number of lists and objects', () => {
    expect(parseJson(deep(MAX_DEPTH))).toBeInstanceOf(Array);
    for (const text of [deep(MAX_DEPTH + 1), deep(1e6), '['.repeat(1e6), '{"a":'.repeat(1e6)]) {
      expect(() => parseJson(text)).toThrow(new SyntaxError('expected lists and objects of at most 64 levels'));
      expect(() => parseJson(text, true)).toThrow(SyntaxError);
    }
    expect(() => parseJson(`[${'{},'.repeat(MAX_NODES)}1]`)).toThrow(
      new SyntaxError(`expected at most ${MAX_NODES} lists and objects`),
    );
  });

  it('of a file has a size', async () => {
    expect(await readJson(save('\ufeff{"a":[1]}', 'a.json'))).toEqual({ a: [1] });
    const long = save(`{"a":"${'x'.repeat(MAX_CONFIG)}"}`, 'long.json');
    await expect(readJson(long)).rejects.toThrow(`${long}: expected JSON of at most 1048576 bytes`);
    for (const [text, message] of [
      [deep(1e5), /not JSON: expected lists and objects of at most 64 levels/],
      ['{"a":', /not JSON: /],
      ['<html>', /got a web page/],
      [Buffer.from('{"a":1}', 'utf16le'), /got text in UTF-16/],
    ] as const) {
      const file = save(text, 'config.json');
      await expect(readJson(file)).rejects.toThrow(message);
      const error = await readConfig(file).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(OptionError);
      expect((error as OptionError).message).toMatch(message);
    }
    await expect(readConfig(folder)).rejects.toThrow(/expected a regular file, got a folder/);
    if (process.platform === 'linux')
      await expect(readConfig('/dev/zero')).rejects.toThrow(/expected a regular file, got a device/);
  });
});

describe('what files are made into', () => {
  it('tokenizers of long lists and long texts', () => {
    const chars = Array.from({ length: 150_000 }, (_, i) => String.fromCodePoint(i + 0x10000));
    expect(fromJSON({ type: 'char', chars }).size).toBe(150_000);
    const specials = Array.from({ length: 150_000 }, (_, i) => `<${i}>`);
    expect(fromJSON({ type: 'char', chars: ['a'], specials, unknown: '<149999>' }).encode('b')).toEqual(Int32Array.of(150_000));
    for (const json of [
      { type: 'char', chars: ['x'.repeat(1e7)] },
      { type: 'char', chars: ['ab'] },
      { type: 'char', chars: [''] },
      { type: 'char', chars: ['a'], specials, unknown: 'zzz' },
      { type: 'byte', specials: ['a', 'a'] },
      { type: 'byte', specials: [[['a']]] },
      JSON.parse(deepList(100_000)) as unknown,
    ]) {
      expect(() => fromJSON(json)).toThrow(DataError);
    }
    // A pair of surrogates is one character, half of one is one too.
    expect(fromJSON({ type: 'char', chars: ['\u{1f600}', '\ud83d'] }).size).toBe(2);
  });

  it('transforms within transforms', () => {
    const of = (n: number): unknown => JSON.parse(`${'{"type":"pipeline","steps":['.repeat(n)}${']}'.repeat(n)}`);
    expect(transformOf(of(60)).type).toBe('pipeline');
    expect(() => transformOf(of(100_000))).toThrow(/pipeline: expected at most 64 within each other/);
    const circle: Record<string, unknown> = { type: 'pipeline' };
    circle.steps = [circle];
    expect(() => transformOf(circle)).toThrow(DataError);
  });

  it('nested arrays: deep ones, circles, one row many times', () => {
    const scaler = preprocess.standardize();
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    const circle: unknown[] = [];
    circle.push(circle);
    let shared: unknown = [1, 2, 3, 4, 5, 6, 7, 8];
    for (let i = 0; i < 20; i++) shared = new Array(8).fill(shared);
    for (const x of [deep, circle, shared]) expect(() => scaler.fit(x as never)).toThrow(ShapeError);
    expect(() => scaler.fit([[1], [deep]] as never)).toThrow(/expected a number at \[1\]\[0\]/);
    // What an error shows of a value is not walked through either.
    expect(() => preprocess.standardize({ columns: deep as never })).toThrow(OptionError);
    expect(() => preprocess.standardize({ columns: [deep] as never }).fit([[1], [2]])).toThrow(OptionError);
  });

  it('the nearest of many long names', () => {
    expect(nearest('weigth', [...Array.from({ length: 200_000 }, () => 'x'.repeat(1000)), 'weight'])).toBeUndefined();
    expect(nearest('weigth', ['x'.repeat(1e7), 'weight'])).toBe('weight');
    expect(nearest('y'.repeat(1e6), ['y'.repeat(1e6 - 1)])).toBeUndefined();
  });
});

function deepList(n: number): string {
  return `${'['.repeat(n)}${']'.repeat(n)}`;
}

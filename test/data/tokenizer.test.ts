// tokenizer.test.ts: encode and decode undo each other; special tokens; text that a tokenizer cannot take.
import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { byte, char, fromJSON, type Tokenizer } from '../../lib/data/tokenizer.ts';
import { DataError, IndexError, OptionError } from '../../lib/errors.ts';
import { readText } from '../../lib/io/text.ts';
import { sharedData } from '../kit.ts';

const again = <T extends Tokenizer>(t: T): Tokenizer => fromJSON(JSON.parse(JSON.stringify(t)));

test('tinyshakespeare', async ({ skip }) => {
  const path = sharedData('tinyshakespeare.txt');
  if (!path) return skip('no shared data');
  const text = await readText(path);
  const chars = char(text);
  expect(chars.size).toBe(65);
  expect(chars.chars.slice(0, 4)).toEqual(['\n', ' ', '!', '$']);
  const tokens = chars.encode(text);
  expect(tokens).toBeInstanceOf(Uint8Array);
  expect(tokens.length).toBe(1115394);
  expect(chars.decode(tokens)).toBe(text);
});

test('characters', () => {
  const chars = char('b\u{1f600}a\u00e9b');
  expect(chars.chars).toEqual(['a', 'b', '\u00e9', '\u{1f600}']);
  expect([...chars.encode('b\u{1f600}b')]).toEqual([1, 3, 1]);
  expect(() => chars.encode('\u{1f600}az')).toThrow('encode: position 3: "z" is none of the 4 characters of this tokenizer');
  expect(() => chars.decode([0, 4])).toThrow('decode: position 1: expected an index below 4, got 4');
  expect(() => chars.decode([-1])).toThrow(IndexError);
  expect(() => chars.decode([0.5])).toThrow(IndexError);
  const some = (n: number) => char(Array.from({ length: n }, (_, i) => String.fromCodePoint(0x4e00 + i)).join(''));
  expect(some(257).encode('\u4e00\u4e01')).toEqual(new Int32Array([0, 1]));
  expect(some(256).encode('\u4e00\u4eff')).toEqual(new Uint8Array([0, 255]));
});

test('special tokens come after the others', () => {
  const chars = char('ab', { specials: ['<unk>', '<eos>'], unknown: '<unk>' });
  expect([chars.size, chars.id('<unk>'), chars.id('<eos>')]).toEqual([4, 2, 3]);
  expect([...chars.encode('a?b<eos>')]).toEqual([0, 2, 1, 2, 2, 2, 2, 2]);
  expect(chars.decode([0, 3, 2])).toBe('a<eos><unk>');
  const bytes = byte({ specials: ['<eos>'] });
  expect([bytes.size, bytes.id('<eos>')]).toEqual([257, 256]);
  expect(bytes.encode('a')).toEqual(Int32Array.of(97));
  // A special token ends what is not a whole character.
  expect(bytes.decode([0xc3, 256, 0xa9, 97])).toBe('\ufffd<eos>\ufffda');
  expect(again(chars)).toEqual(chars);
  expect(again(bytes)).toEqual(bytes);
  expect(() => chars.id('<eso>')).toThrow('no special token "<eso>"; did you mean <eos>?');
});

test('bytes', () => {
  expect(byte().encode('a\u00e9')).toEqual(Uint8Array.of(97, 0xc3, 0xa9));
  expect(byte().decode([0xef, 0xbb, 0xbf, 97])).toBe('\ufeffa');
  expect(() => byte().decode([97, 256])).toThrow('decode: position 1: expected an index below 256, got 256');
  expect(() => byte().decode([1.5])).toThrow(IndexError);
});

it('encode and decode undo each other, after JSON too', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
      const chars = char(text);
      expect(again(chars).decode(chars.encode(text))).toBe(text);
      // UTF-8 has no half of a surrogate pair.
      if (!/[\ud800-\udfff]/u.test(text)) expect(byte().decode(byte().encode(text))).toBe(text);
    }),
  );
});

it.each([
  null,
  'ab',
  { type: 'char' },
  { type: 'char', chars: [1] },
  { type: 'char', chars: ['ab'] },
  { type: 'char', chars: ['a', 'a'] },
  { type: 'char', chars: [] },
  { type: 'byte', chars: [], more: 1 },
])('JSON that is none: %j', (json) => expect(() => fromJSON(json)).toThrow(DataError));

it.each<[string, () => unknown, RegExp]>([
  ['an option', () => char('a', { special: [] } as never), /unknown option special; did you mean specials\?/],
  ['names', () => byte({ specials: ['a', 'a'] }), /option specials: expected distinct names, got a, a/],
  [
    'the unknown one',
    () => char('a', { specials: ['<unk>'], unknown: '<unknown>' }),
    /option unknown: expected "<unk>", got "<unknown>"/,
  ],
  ['no text', () => char(5 as never), /expected a text, got 5/],
])('one clear error: %s', (_, run, message) => {
  expect(run).toThrow(OptionError);
  expect(run).toThrow(message);
});

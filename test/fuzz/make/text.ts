// text.ts: texts of all kinds of characters, and changes that meet what texts are read by: digits, quotes, brackets, ends of lines.
import type { Random } from '../../torture/random.ts';

/** What stands in names and messages and should not get to a terminal, or ends a line where nobody thinks of it. */
const CONTROL = [
  '\x00',
  '\x07',
  '\x08',
  '\x1b]0;title\x07',
  '\x1b]52;c;aGk=\x07',
  '\x1b[2J',
  '\r',
  '\n',
  '\u0085',
  '\u2028',
  '\x7f',
  '\u009b',
  '\u202e',
];
const ALPHABETS = [
  'ab',
  'abcdefghijklmnopqrstuvwxyz',
  'aAzZ09 _.-/',
  'äöüßéèñ',
  'αβγδ',
  '日本語中文',
  '😀👩‍👧🏳️‍🌈',
  '\u0301\u200d\ufeff',
  ' \t',
];

/** A word without anything that ends words, lines or quotes. */
export function word(r: Random, most = 8): string {
  const letters = [...r.pick(ALPHABETS.slice(0, 6))].filter((c) => c !== ' ');
  return Array.from({ length: r.between(1, most) }, () => r.pick(letters)).join('');
}

/** Any text, of valid Unicode. */
export function anyText(r: Random, most: number): string {
  let out = '';
  for (let left = r.between(0, most); left > 0; left--) out += r.chance(0.03) ? r.pick(CONTROL) : r.pick([...r.pick(ALPHABETS)]);
  return out;
}

export const NUMBERS: readonly string[] = [
  ...[
    '0',
    '-0',
    '1',
    '-1',
    '0.5',
    '1e999',
    '-1e999',
    '1e-999',
    '1e38',
    '3.5e38',
    'NaN',
    'Infinity',
    '-inf',
    'nan',
    'null',
    'True',
  ],
  ...['2147483647', '2147483648', '-2147483649', '4294967296', '9007199254740991', '9007199254740993', '9223372036854775808'],
  ...[
    '18446744073709551616',
    '1e308',
    '0x10',
    '1_000',
    '1,5',
    '١٢',
    '+1',
    '.5',
    '5.',
    '1e',
    '--1',
    '00012',
    '1'.repeat(400),
    '0.'.padEnd(900, '3'),
  ],
];

/** A text changed where it means something. Characters stand for bytes where the text is one of latin1. */
export function disturbed(r: Random, given: string): string {
  const at = r.between(0, given.length);
  const put = (middle: string, dropped = 0): string => given.slice(0, at) + middle + given.slice(at + dropped);
  switch (r.between(0, 10)) {
    case 0:
      return given.slice(0, at);
    case 1:
      return put(Buffer.from(r.pick(CONTROL)).toString('latin1'));
    case 2:
      return put(
        r.pick(['"', "'", '""', '"""', '\\', ',', ';', '\t', '|', '{', '}', '[', ']', '(', ')', ':', '\r\n', '\n', '\n\n']),
      );
    case 3:
      return replacedNumber(r, given);
    case 4:
      return put(given.slice(at, at + r.pick([1, 10, 100])).repeat(r.pick([2, 10, 200])));
    case 5:
      return put('', r.pick([1, 2, 10]));
    case 6:
      return put(r.pick(['a', '0', ' ', '(', '[', '{', '9']).repeat(r.pick([10, 100, 3000, 20_000])));
    case 7:
      return replacedWord(r, given);
    case 8:
      return given.replaceAll(r.pick([' ', ',', '\n', '"', "'"]), r.pick(['', ' ', '\n', '\r', '\t', ';', '\x00']));
    case 9:
      return given + r.pick(['\x00', ' ', '\n', '}', ']', given]);
    default:
      return put(String.fromCharCode(r.between(0, 255)), r.between(0, 1));
  }
}

function replacedNumber(r: Random, given: string): string {
  const found = [...given.matchAll(/-?\d+(\.\d+)?(e[+-]?\d+)?/gi)];
  if (found.length === 0) return given + r.pick(NUMBERS);
  const one = r.pick(found);
  return given.slice(0, one.index) + r.pick(NUMBERS) + given.slice(one.index + one[0].length);
}

function replacedWord(r: Random, given: string): string {
  const found = [...given.matchAll(/[A-Za-z_]+/g)];
  if (found.length === 0) return given;
  const [one, two] = [r.pick(found), r.pick(found)];
  const now = r.pick([two[0], '', '__proto__', 'constructor', one[0].toUpperCase(), `${one[0]}${one[0]}`]);
  return given.slice(0, one.index) + now + given.slice(one.index + one[0].length);
}

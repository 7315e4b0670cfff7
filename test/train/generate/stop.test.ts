// stop.test.ts: where texts end, against a plain definition: no token too many, none too few, and none that is taken back.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byte } from '../../../lib/data/tokenizer.ts';
import { type Decoder, Ending } from '../../../lib/train/generate/stop.ts';

interface Run {
  readonly out: number[];
  /** How many tokens were looked at. */
  readonly seen: number;
  readonly ended: boolean;
}

function run(tokens: readonly number[], sequences: number[][], texts: string[], decoder: Decoder | null): Run {
  const ending = new Ending({ sequences, texts, decoder });
  const out: number[] = [];
  for (const [i, token] of tokens.entries()) {
    const { tokens: released, ended } = ending.add(token);
    out.push(...released);
    if (ended) return { out, seen: i + 1, ended };
  }
  return { out: [...out, ...ending.rest()], seen: tokens.length, ended: false };
}

/** The shortest beginning that has one of these in it, less what belongs to it. */
function plain(tokens: readonly number[], sequences: number[][], texts: string[], decoder: Decoder | null): Run {
  for (let n = 1; n <= tokens.length; n++) {
    const written = tokens.slice(0, n);
    const lengths = sequences
      .filter((s) => s.length <= n && s.every((t, i) => t === written[n - s.length + i]))
      .map((s) => s.length);
    const text = decoder?.decode(written) ?? '';
    const places = texts.map((s) => text.indexOf(s)).filter((at) => at >= 0);
    const ends: number[] = lengths.map((length) => n - length);
    if (places.length > 0) {
      const at = Math.min(...places);
      // Tokens of which some text stands before it.
      ends.push(written.findIndex((_, i) => decoder!.decode(written.slice(0, i)).length >= at));
      if (ends.at(-1) === -1) ends[ends.length - 1] = n;
    }
    if (ends.length > 0) return { out: written.slice(0, Math.min(...ends)), seen: n, ended: true };
  }
  return { out: [...tokens], seen: tokens.length, ended: false };
}

const words = ['a', 'b', 'ab', 'ba', 'aab', 'c'];
const ofWords: Decoder = { decode: (tokens) => Array.from(tokens, (t) => words[t]!).join('') };
const token = fc.nat(words.length - 1);

describe('as the plain definition', () => {
  it('sequences of tokens', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(2), { maxLength: 14 }),
        fc.array(fc.array(fc.nat(2), { minLength: 1, maxLength: 4 }), { maxLength: 3 }),
        (tokens, sequences) => {
          expect(run(tokens, sequences, [], null)).toEqual(plain(tokens, sequences, [], null));
        },
      ),
      { numRuns: 400 },
    );
  });

  it('texts, which begin and end within tokens', () => {
    fc.assert(
      fc.property(
        fc.array(token, { maxLength: 12 }),
        fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 3 }),
        fc.array(fc.array(token, { minLength: 1, maxLength: 3 }), { maxLength: 1 }),
        (tokens, texts, sequences) => {
          expect(run(tokens, sequences, texts, ofWords)).toEqual(plain(tokens, sequences, texts, ofWords));
        },
      ),
      { numRuns: 600 },
    );
  });

  it('characters of several bytes', () => {
    const bytes = byte();
    const text = fc.string({ unit: fc.constantFrom('n', 'é', '😀', '本'), maxLength: 6 });
    fc.assert(
      fc.property(
        text,
        fc.array(
          text.filter((s) => s !== ''),
          { minLength: 1, maxLength: 2 },
        ),
        (written, texts) => {
          const at = Math.min(Number.POSITIVE_INFINITY, ...texts.map((s) => written.indexOf(s)).filter((i) => i >= 0));
          // The first text to be whole ends it, which need not be the first to begin.
          const ends = Math.min(...texts.map((s) => written.indexOf(s) + s.length + (written.includes(s) ? 0 : 1e9)));
          const begins = texts
            .filter((s) => written.indexOf(s) + s.length === ends && written.includes(s))
            .map((s) => written.indexOf(s));
          const { out, ended } = run([...bytes.encode(written)], [], texts, bytes);
          expect(ended).toBe(at < Number.POSITIVE_INFINITY);
          expect(bytes.decode(out)).toBe(ended ? written.slice(0, Math.min(...begins)) : written);
        },
      ),
      { numRuns: 400 },
    );
  });
});

it('a token is given out as soon as it can be no part of an end', () => {
  const ending = new Ending({ sequences: [[1, 1, 2]], texts: ['ca'], decoder: ofWords });
  const released = [0, 1, 1, 1, 5, 0].map((t) => ending.add(t));
  expect(released.map((r) => r.tokens)).toEqual([[0], [], [], [1], [1, 1], []]);
  expect(released.map((r) => r.ended)).toEqual([false, false, false, false, false, true]);
});

it('a token that begins before a text is whole', () => {
  expect(run([0, 4, 5], [], ['bc'], ofWords)).toEqual({ out: [0, 4], seen: 3, ended: true });
  expect(run([0, 4, 5], [], ['aabc'], ofWords)).toEqual({ out: [0], seen: 3, ended: true });
  expect(run([4], [], ['b'], ofWords)).toEqual({ out: [4], seen: 1, ended: true });
});

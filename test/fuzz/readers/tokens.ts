// tokens.ts: tokenizers, transforms of rows and accountants as JSON, as checkpoints keep them.
import { isDeepStrictEqual } from 'node:util';
import { schema, fromJSON as transformFrom } from '../../../lib/data/preprocess.ts';
import { byte, char, fromJSON } from '../../../lib/data/tokenizer.ts';
import { Accountant, fromJSON as accountantFrom } from '../../../lib/privacy/index.ts';
import { Random } from '../../torture/random.ts';
import { disturbedJson } from '../make/json.ts';
import { anyText, word } from '../make/text.ts';
import { Broken, type Drawn, type Input, type Reader } from '../spec.ts';

const named = (r: Random): string[] => [...new Set(Array.from({ length: r.between(0, 3) }, () => `<${word(r)}>`))];

function tokenizerJson(r: Random): unknown {
  const specials = named(r);
  if (r.chance(0.3)) return byte({ specials }).toJSON();
  const unknown = specials.length > 0 && r.chance(0.5) ? { unknown: specials[0]! } : {};
  return char(`a${anyText(r, 30)}`, { specials, ...unknown }).toJSON();
}

function transformJson(r: Random, depth = 0): Record<string, unknown> {
  const width = r.between(1, 3);
  const list = (least: number): number[] => Array.from({ length: width }, () => least + r.unit());
  const kind = r.between(0, depth > 1 ? 4 : 5);
  if (kind < 2) {
    return { type: r.pick(['standardize', 'minMax']), per: 'column', row: [width], shift: list(-0.5), scale: list(0.1) };
  }
  if (kind === 2)
    return { type: 'oneHot', unknown: 'zeros', row: [width], categories: list(0).map((value) => [value, value + 1]) };
  if (kind === 3) return { type: 'impute', row: [width], fill: list(0), flags: r.chance(0.5) ? [0] : [] };
  if (kind === 4) {
    const made = schema(
      { a: [1, 2, null], b: ['x', null, 'y'], c: ['2024-01-02', '2023-01-02', '2022-10-10'], l: ['u', 'v', 'u'] },
      { unknown: r.pick(['error', 'ignore']), ...(r.chance(0.5) && { label: 'l' }) },
    );
    return made.toJSON() as Record<string, unknown>;
  }
  return { type: 'pipeline', steps: Array.from({ length: r.between(1, 2) }, () => transformJson(r, depth + 1)) };
}

const draws =
  (make: (r: Random) => unknown) =>
  (r: Random): Drawn => {
    const value = make(r);
    const options = { seed: r.between(0, 2 ** 31) };
    const text = r.chance(0.25) ? JSON.stringify(value) : disturbedJson(r, value);
    return { files: { 'a.json': Buffer.from(text) }, options };
  };

const jsonIn = ({ files }: Input): unknown => JSON.parse(Buffer.from(files['a.json']!).toString());

/** What was made takes texts and gives them back. */
function tokenized(json: unknown, seed: number): unknown {
  const made = fromJSON(json);
  const again = fromJSON(JSON.parse(JSON.stringify(made)));
  if (!isDeepStrictEqual(again.toJSON(), made.toJSON())) throw new Broken('toJSON of what toJSON gave is another');
  const text = anyText(new Random(seed, 'text'), 40);
  const tokens = made.encode(text);
  if (made.type === 'byte' && made.decode(tokens) !== text) throw new Broken('decode is not what was encoded');
  made.decode([0, made.size - 1]);
  return made.toJSON();
}

function transformed(json: unknown, seed: number): unknown {
  const made = transformFrom(json);
  const again = transformFrom(JSON.parse(JSON.stringify(made)));
  if (JSON.stringify(again) !== JSON.stringify(made)) throw new Broken('toJSON of what toJSON gave is another');
  const r = new Random(seed, 'rows');
  const shape = [2, r.between(1, 3)];
  const rows = { data: Float32Array.from({ length: 2 * shape[1]! }, () => r.unit()), shape };
  return [...made.transform(rows).data].length;
}

export const TOKENIZER: Reader = {
  covers: ['tokenizer.fromJSON', 'tokenizer.char', 'tokenizer.byte'],
  reaches: ['data/tokenizer.ts'],
  draw: draws(tokenizerJson),
  ways: (input) => {
    const json = jsonIn(input);
    return [{ name: 'tokenizer.fromJSON', sync: true, run: () => tokenized(json, input.options.seed as number) }];
  },
};

export const TRANSFORM: Reader = {
  covers: ['preprocess.fromJSON'],
  reaches: ['data/preprocess.ts', 'data/affine.ts', 'data/impute.ts', 'data/one-hot.ts', 'data/table/learn.ts'],
  draw: draws(transformJson),
  ways: (input) => {
    const json = jsonIn(input);
    return [{ name: 'preprocess.fromJSON', sync: true, run: () => transformed(json, input.options.seed as number) }];
  },
};

function accountantJson(r: Random): unknown {
  const made = new Accountant({ accountant: r.pick(['rdp', 'pld']) });
  for (let i = r.between(0, 3); i > 0; i--) made.add({ q: r.unit(), sigma: 0.5 + 2 * r.unit(), steps: r.between(0, 1000) });
  return made.toJSON();
}

/** What was made goes on, and tells what was spent. */
function accounted(json: unknown): unknown {
  const made = accountantFrom(json as never);
  const again = accountantFrom(JSON.parse(JSON.stringify(made)));
  if (!isDeepStrictEqual(again.toJSON(), made.toJSON())) throw new Broken('toJSON of what toJSON gave is another');
  // By moments, which take no time, whatever the file asks for.
  const moments = accountantFrom({ ...made.toJSON(), accountant: 'rdp' });
  if (!(moments.epsilon({ delta: 1e-5 }) >= 0)) throw new Broken('what was spent is no number of 0 or more');
  return made.toJSON();
}

export const ACCOUNTANT: Reader = {
  covers: ['privacy.fromJSON'],
  reaches: ['privacy/accountant.ts'],
  draw: draws(accountantJson),
  ways: (input) => {
    const json = jsonIn(input);
    return [{ name: 'privacy.fromJSON', sync: true, run: () => accounted(json) }];
  },
};

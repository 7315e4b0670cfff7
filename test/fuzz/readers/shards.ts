// shards.ts: weights in several files with an index: names that lead elsewhere, files that are not there or have other tensors.
import { join } from 'node:path';
import { readSafetensors } from '../../../lib/io/arrays/safetensors.ts';
import type { Random } from '../../torture/random.ts';
import { damaged } from '../make/damaged.ts';
import { changedJson, inOrder, type Json, written } from '../make/json.ts';
import { text } from '../make/parts.ts';
import type { Drawn, Input, Reader } from '../spec.ts';
import { limitOf } from './limits.ts';
import { partsOf, plainSafetensors, type Spec, spec } from './safetensors.ts';

const INDEX = 'model.safetensors.index.json';
const ELSEWHERE = [
  '../a.safetensors',
  '/dev/zero',
  '..',
  '.',
  '',
  INDEX,
  'c:\\a',
  'a.safetensors/',
  'b.safetensors',
  '\0',
  'nul',
];

const namesOf = ({ header }: Spec): string[] => header.map(([name]) => name).filter((name) => name !== '__metadata__');

function draw(r: Random): Drawn {
  const shards: Readonly<Record<string, Spec>> = Object.fromEntries(
    Array.from({ length: r.between(1, 3) }, (_, i) => [`${'abc'[i]}.safetensors`, spec(r)]),
  );
  const map = Object.entries(shards).flatMap(([file, s]) => namesOf(s).map((name) => [name, file] as const));
  const once = new Set(map.map(([name]) => name)).size === map.length;
  const index: Json = inOrder([
    ['metadata', { total_size: r.between(0, 1000) }],
    ['weight_map', inOrder(map)],
  ]);
  const files = Object.fromEntries(Object.entries(shards).map(([file, s]) => [file, partsOf(s)]));
  const kind = r.unit();
  const as = (json: string): Drawn => ({ files: { [INDEX]: Buffer.from(json), ...files }, options: {} });
  if (kind < 0.3 && once) return as(written(index));
  if (kind < 0.5) return as(written(changedJson(r, index)));
  if (kind < 0.7 && map.length > 0) {
    const i = r.between(0, map.length - 1);
    const wrong = map.map(([name, file], k) => [name, k === i ? r.pick(ELSEWHERE) : file] as const);
    return as(written(inOrder([['weight_map', inOrder(wrong)]])));
  }
  if (kind < 0.85) {
    const [first] = Object.keys(files);
    return {
      ...as(written(index)),
      files: {
        [INDEX]: Buffer.from(written(index)),
        ...files,
        [first!]: r.chance(0.5) ? partsOf(spec(r)) : damaged(r, [text('{}')]),
      },
    };
  }
  return { ...as(''), files: { [INDEX]: damaged(r, [text(written(index))]), ...files } };
}

function ways({ options }: Input, folder: string): ReturnType<Reader['ways']> {
  const read = (): Promise<unknown> => readSafetensors(join(folder, INDEX), limitOf(options));
  return [{ name: 'readSafetensors of an index', plain: plainSafetensors, run: read }];
}

export const SHARDS: Reader = {
  covers: ['io.readSafetensors'],
  reaches: ['io/arrays/safetensors-shards.ts', 'io/arrays/safetensors-read.ts', 'io/json-cursor.ts'],
  draw,
  ways,
};

// text.ts: texts in UTF-8, plain and gzip, and bytes that are none.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readText } from '../../../lib/io/index.ts';
import type { Random } from '../../torture/random.ts';
import { havoc, other } from '../make/bytes.ts';
import { perhapsGzipped } from '../make/damaged.ts';
import { bomb } from '../make/gzip.ts';
import { anyText, disturbed } from '../make/text.ts';
import type { Drawn, Reader } from '../spec.ts';
import { limitOf } from './limits.ts';

/** What a path may lead to in place of a file. */
const OTHERS = ['a folder', 'nothing', 'a link to itself', 'a pipe', 'a device', 'a file below a file'] as const;

function draw(r: Random): Drawn {
  if (r.chance(0.01)) return { files: {}, options: { place: r.pick(OTHERS) } };
  const kind = r.unit();
  if (kind < 0.001) {
    const { bytes, unpacked } = bomb(r, Buffer.from('text'), r.pick(['a', '\n', 'ä', '\ud83d\ude00']));
    return { files: { 'a.txt': bytes }, options: {}, unpacked };
  }
  const once = anyText(r, r.pick([10, 200, 2000]));
  const text = kind < 0.003 ? once.repeat(r.between(1, 3000)) : once;
  const marked = `${r.chance(0.1) ? '\ufeff' : ''}${text}`;
  if (kind < 0.3) {
    const expects = marked.startsWith('\ufeff') ? marked.slice(1) : marked;
    return {
      files: { 'a.txt': perhapsGzipped(r, Buffer.from(marked), false) },
      options: {},
      expects,
      unpacked: 4 * marked.length,
    };
  }
  if (kind < 0.36)
    return { files: { 'a.txt': r.chance(0.5) ? other(r) : Buffer.from(text, r.pick(['utf16le', 'latin1'])) }, options: {} };
  const bytes = r.chance(0.5)
    ? havoc(r, Buffer.from(text))
    : Buffer.from(disturbed(r, Buffer.from(text).toString('latin1')), 'latin1');
  return { files: { 'a.txt': perhapsGzipped(r, bytes, true) }, options: {} };
}

/** @returns the path that is to be read */
function placed(place: unknown, folder: string): string {
  const file = join(folder, place === undefined ? 'a.txt' : 'other');
  rmSync(join(folder, 'other'), { recursive: true, force: true });
  if (place === 'a folder') mkdirSync(file);
  if (place === 'a link to itself') symlinkSync('other', file);
  if (place === 'a pipe') execFileSync('mkfifo', [file]);
  if (place === 'a device') return '/dev/zero';
  if (place === 'a file below a file') writeFileSync(file, '');
  return place === 'a file below a file' ? join(file, 'a.txt') : file;
}

export const TEXT: Reader = {
  covers: ['io.readText'],
  reaches: ['io/text.ts', 'io/file/file.ts'],
  draw,
  ways: ({ options }, folder) => [{ name: 'readText', run: () => readText(placed(options.place, folder), limitOf(options)) }],
};

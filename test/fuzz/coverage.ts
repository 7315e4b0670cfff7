// coverage.ts: which lines of a folder of lib/ were not reached, counted by V8 and told in lines of TypeScript.
import { readdirSync, readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

/** By file, pairs of positions in the JavaScript between which nothing ran. */
export type Unreached = Readonly<Record<string, readonly (readonly [number, number])[]>>;

/** Where this runs from, compiled. */
const DIST = new URL('../../', import.meta.url);

export class Coverage {
  readonly #session = new Session();

  async begin(): Promise<void> {
    this.#session.connect();
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
  }

  /** Of all that was loaded. */
  async unreached(): Promise<Unreached> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    const own = result.filter(({ url }) => url.startsWith(`${DIST}lib/io/`));
    return Object.fromEntries(own.map(({ url, functions }) => [url, gapsOf(functions.flatMap(({ ranges }) => ranges))]));
  }
}

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

/** Where ranges lie in each other the innermost says what ran. */
function gapsOf(ranges: readonly Range[]): (readonly [number, number])[] {
  const size = Math.max(...ranges.map((range) => range.endOffset));
  const ran = new Uint8Array(size).fill(1);
  const outerFirst = [...ranges].sort((a, b) => b.endOffset - b.startOffset - (a.endOffset - a.startOffset));
  for (const { startOffset, endOffset, count } of outerFirst) ran.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  const gaps: [number, number][] = [];
  for (let from = ran.indexOf(0); from >= 0; from = ran.indexOf(0, from)) {
    const end = ran.indexOf(1, from);
    gaps.push([from, end < 0 ? size : end]);
    from = end < 0 ? size : end;
  }
  return gaps;
}

export interface Covered {
  readonly lines: number;
  readonly reached: number;
  /** `io/arrays/npy.ts:12`. */
  readonly unreached: readonly string[];
}

/** Lines with code of a folder of lib/ that no process has reached whole. */
export function linesReached(folder: string, all: readonly Unreached[]): Covered {
  let lines = 0;
  const unreached: string[] = [];
  for (const name of readdirSync(new URL(`lib/${folder}/`, DIST))
    .filter((file) => file.endsWith('.js'))
    .sort()) {
    const url = new URL(`lib/${folder}/${name}`, DIST).href;
    const code = readFileSync(fileURLToPath(url), 'utf8');
    const missed = new Uint8Array(code.length).fill(1);
    for (const process of all) {
      const gaps = process[url];
      if (!gaps) continue;
      const inGap = new Uint8Array(code.length);
      for (const [from, to] of gaps) inGap.fill(1, from, to);
      for (let i = 0; i < missed.length; i++) missed[i]! &= inGap[i]!;
    }
    const found = linesOf(code, new SourceMap(JSON.parse(readFileSync(fileURLToPath(`${url}.map`), 'utf8'))), missed);
    lines += found.size;
    for (const [line, whole] of [...found].sort(([a], [b]) => a - b)) {
      if (!whole) unreached.push(`${folder}/${name.replace('.js', '.ts')}:${line}`);
    }
  }
  return { lines, reached: lines - unreached.length, unreached };
}

/** Lines of the source that have code, and whether all of it ran. */
function linesOf(code: string, map: SourceMap, missed: Uint8Array): Map<number, boolean> {
  const found = new Map<number, boolean>();
  let at = 0;
  let comment = false;
  for (const [row, line] of code.split('\n').entries()) {
    for (const { index, 0: word } of line.matchAll(/\S+/g)) {
      if (word.startsWith('/*')) comment = true;
      if (word.startsWith('//')) break;
      const place = !comment && /\w/.test(word) ? map.findEntry(row, index) : {};
      if (word.endsWith('*/')) comment = false;
      if (!('originalLine' in place) || typeof place.originalLine !== 'number') continue;
      const ran = missed.subarray(at + index, at + index + word.length).every((m) => m === 0);
      found.set(place.originalLine + 1, (found.get(place.originalLine + 1) ?? true) && ran);
    }
    at += line.length + 1;
  }
  return found;
}

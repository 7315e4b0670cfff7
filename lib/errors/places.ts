// places.ts: where an error was, by files and lines of lib/. What users run are a few large files, whose source maps lie beside them.
import { readFileSync } from 'node:fs';
import module, { type SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

// Null in CommonJS that a bundler has made, which does not say where it is: then no place is known as ours.
const FILE = import.meta.url as string | undefined;
const HERE = FILE?.startsWith('file:') ? new URL('.', FILE).href : null;
/** Where the sources are, or were: of what is run here, and of what Node calls it under --enable-source-maps. */
const LIB = HERE && fileURLToPath(new URL('../../lib/', HERE));
const PLACE = /([\w.-]+\.js):(\d+):(\d+)/y;

// Calls that are looked at, and told. In a deep model the line that its user wrote is far from where it shows that something is wrong.
const MOST_SEEN = 1000;
const MOST_TOLD = 12;
const MOST_OURS = 6;
/** What stands around every call of a layer. */
const AROUND = /\/nn\/module\/trace\.[jt]s:/;

const maps = new Map<string, SourceMap | null>();

/** The map beside a file of this package; null where there is none, as beside what the tests run, or where the engine reads none. */
function mapOf(file: string): SourceMap | null {
  let map = maps.get(file);
  if (map === undefined) {
    try {
      map = new module.SourceMap(JSON.parse(readFileSync(fileURLToPath(`${HERE}${file}.map`), 'utf8')));
    } catch {
      map = null;
    }
    maps.set(file, map);
  }
  return map;
}

/** A line of a stack; a place in the bundle is named by file and line of the sources: `gradclip/lib/ops/product/matmul.ts:20`. */
function inSources(call: string): string {
  const at = HERE ? call.indexOf(HERE) : -1;
  if (!HERE || at < 0) return call;
  PLACE.lastIndex = at + HERE.length;
  const [found, file, line, column] = PLACE.exec(call) ?? [];
  const place = file && mapOf(file)?.findEntry(Number(line) - 1, Number(column) - 1);
  if (!found || !place || !('originalSource' in place)) return call;
  const source = place.originalSource.replace(/^(\.\.\/)+/, '');
  return `${call.slice(0, at)}gradclip/${source}:${place.originalLine + 1}${call.slice(PLACE.lastIndex)}`;
}

/**
 * The calls that have led here, as lines of a stack, when they are asked for.
 * @param made the class of the error, which is left out with all that it calls
 */
export function callsOf(made: new (...args: never[]) => Error): () => string {
  const limit = Error.stackTraceLimit;
  const lines = linesOf(limit, made as never);
  return () => {
    const calls = lines().map(inSources);
    const seen = calls.filter((call) => !AROUND.test(call));
    const most = Math.max(MOST_TOLD, limit);
    const told = seen.length <= most ? seen : seen.filter((call, i) => i < MOST_OURS || isUsers(call)).slice(0, most);
    return told.map((call) => `\n${call}`).join('');
  };
}

/** Not in this package, and not in the engine. */
const isUsers = (call: string): boolean =>
  /:\d+\)?$/.test(call) && ![HERE, LIB, 'gradclip/lib/', 'node:'].some((place) => place && call.includes(place));

/** The place in the user's files from which the library was called: `/home/me/model.mjs:8:20`; null where none is known. */
export function userPlace(): string | null {
  const call = linesOf(MOST_SEEN, userPlace)().map(inSources).find(isUsers);
  const place = call && /\(?([^()\s]+:\d+:\d+)\)?$/.exec(call)?.[1];
  return place ? place.replace(/^file:\/\//, '') : null;
}

/** Lines of the stack as it is now, when they are asked for; none if there may be none. */
function linesOf(limit: number, below: (...args: never[]) => unknown): () => string[] {
  const trace: { stack?: string } = {};
  const before = Error.stackTraceLimit;
  if (limit > 0) Reflect.set(Error, 'stackTraceLimit', Math.max(limit, MOST_SEEN));
  Error.captureStackTrace(trace, below);
  Reflect.set(Error, 'stackTraceLimit', before);
  return () =>
    String(trace.stack)
      .split('\n')
      .filter((line) => /^\s+at /.test(line));
}

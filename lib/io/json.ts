// json.ts: JSON of unknown origin. Engines parse any depth, and overflow later, where what was parsed is walked through.
import { MAX_DEPTH } from './limits.ts';

const QUOTE = 34;
const BACKSLASH = 92;

/**
 * What a text in JSON says.
 * @param nullAs what null becomes: undefined, where what is not set is written as null
 * @throws SyntaxError for what is none, and for lists and objects that go deeper than `MAX_DEPTH`
 */
export function parseJson(text: string, nullAs: null | undefined = null): unknown {
  if (isDeep(text)) throw new SyntaxError(`expected lists and objects of at most ${MAX_DEPTH} levels`);
  return JSON.parse(text, nullAs === null ? undefined : (_, value: unknown) => value ?? undefined);
}

/** Whether brackets outside strings go deeper than is allowed. Each character is looked at once. */
function isDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    // `[` and `{`, `]` and `}` differ in one bit.
    if ((c | 32) === 123 && ++depth > MAX_DEPTH) return true;
    if ((c | 32) === 125) depth--;
    if (c !== QUOTE) continue;
    for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++;
  }
  return false;
}

// json.ts: JSON of unknown origin. Engines parse any depth, and overflow later, where what was parsed is walked through.
import { MAX_DEPTH, MAX_NODES } from './limits.ts';

const QUOTE = 34;
const BACKSLASH = 92;

/**
 * What a text in JSON says.
 * @param unset whether null says that something is not set: it becomes undefined
 * @throws SyntaxError for what is none, for lists and objects that go deeper than `MAX_DEPTH`, and for more than `MAX_NODES` of them, which take many times
 * the memory of their text
 */
export function parseJson(text: string, unset: boolean = false): unknown {
  checkNodes(text);
  return JSON.parse(text, unset ? (_, value: unknown) => value ?? undefined : undefined);
}

/** Each character is looked at once. */
function checkNodes(text: string): void {
  let depth = 0;
  let nodes = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    // `[` and `{`, `]` and `}` differ in one bit.
    if ((c | 32) === 123) {
      depth++;
      nodes++;
      if (depth > MAX_DEPTH) throw new SyntaxError(`expected lists and objects of at most ${MAX_DEPTH} levels`);
      if (nodes > MAX_NODES) throw new SyntaxError(`expected at most ${MAX_NODES} lists and objects`);
    } else if ((c | 32) === 125) depth--;
    else if (c === QUOTE) {
      for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++;
    }
  }
}

// text.ts: sentences of few words, in which each word is followed by few others.
import { below, type Draw } from './draws.ts';

const WORDS =
  'a step of the gradient is clipped when its norm grows beyond threshold value and weights stay where they are in time'.split(
    ' ',
  );
const CHARACTERS = 'abcdefghijklmnopqrstuvwxyz ';
/** How many characters there are. */
export const LETTERS: number = CHARACTERS.length;

/** The numbers of whole words: at least `length` characters with the blank that would follow. */
export function text(next: Draw, length: number): Uint8Array {
  const made: string[] = [];
  for (let at = 0, size = 0; size < length; ) {
    made.push(WORDS[at]!);
    size += WORDS[at]!.length + 1;
    at = (at * 5 + below(next, 3)) % WORDS.length;
  }
  return Uint8Array.from(made.join(' '), (c) => CHARACTERS.indexOf(c));
}

// visible.ts: text of unknown origin, made harmless where it is shown: names, cells and metadata of files may hold what a terminal obeys.

/**
 * What is no part of a line of text: control characters (C0, DEL, C1), which clear screens, set titles and fill clipboards, the separators of lines
 * and paragraphs, and the marks that turn the direction of text, so that it reads as another.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const hex = (c: string, digits: number): string => c.charCodeAt(0).toString(16).padStart(digits, '0');

/** The text with its control characters as they are spelled in a source: `\n`, `\x1b`, `\u202e`. @param keep those that stay */
export function visible(text: string, keep: string = ''): string {
  return text.replace(CONTROLS, (c) => {
    if (keep.includes(c)) return c;
    return SHORT[c] ?? (c < '\u0100' ? `\\x${hex(c, 2)}` : `\\u${hex(c, 4)}`);
  });
}

/** A line of JSON that says the same, and that a terminal may be shown: JSON leaves some control characters as they are. */
export const visibleJson = (json: string): string => json.replace(CONTROLS, (c) => `\\u${hex(c, 4)}`);

/** Of a message that quotes what a file holds this much is kept, its begin and its end. */
const MOST = 8192;

/** A message in one line, or in those it is given as, of a length that somebody may read. */
export function messageOf(message: string | readonly string[]): string {
  return typeof message === 'string' ? shortened(visible(message)) : message.map(messageOf).join('\n');
}

function shortened(text: string): string {
  if (text.length <= MOST) return text;
  return `${text.slice(0, MOST - 1024)}... (${text.length} characters) ...${text.slice(-1024)}`;
}

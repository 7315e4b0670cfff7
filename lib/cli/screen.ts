// screen.ts: how a command speaks: results for programs and for people, and a region of the terminal that is redrawn in place.
import { randomInt } from 'node:crypto';
import { styleText } from 'node:util';
import { visible, visibleJson } from '../errors/visible.ts';
import { isLive, wantsColor } from '../text/color.ts';
import { fit } from '../text/format.ts';
import type { IO, Output } from './io.ts';

export type Style = Parameters<typeof styleText>[0];

/**
 * With --json the lines of `emit` are all there is on stdout and people read stderr; without, people read stdout and `emit` is silent.
 * The live region (a progress bar, curves) is on stderr, and there only if that is a terminal.
 *
 * All that a command shows goes through here, and no control character of what it shows, such as a name in a file, gets to the terminal: they are
 * escaped. Colors are distinguished from those in a name by a number that nobody else knows.
 */
export class Screen {
  readonly json: boolean;
  /** A terminal where lines can be drawn again. */
  readonly live: boolean;
  readonly #io: IO;
  readonly #people: Output;
  /** What the colors of `paint` begin with. */
  readonly #color = `\x1b[${randomInt(2 ** 32, 2 ** 47)};`;
  #drawn = 0;
  #region: readonly string[] = [];
  /** Who says nothing; null: it speaks. */
  #muted: string | null = null;

  constructor(io: IO, json: boolean) {
    this.#io = io;
    this.json = json;
    this.#people = json ? io.stderr : io.stdout;
    this.live = isLive(io.stderr, io.env);
  }

  /** Columns and rows of the terminal that the live region is on. */
  get columns(): number {
    return this.#io.stderr.columns ?? 80;
  }

  get rows(): number {
    return this.#io.stderr.rows ?? 24;
  }

  /** From here on nothing is shown: another process says it. @param who this one is, should it have something to say after all */
  mute(who: string): void {
    this.#muted = who;
  }

  /** It speaks from here on. @returns who it is, if it was mute */
  unmute(): string | null {
    const who = this.#muted;
    this.#muted = null;
    return who;
  }

  /** One JSON line on stdout, under --json. NaN and infinities, which JSON does not have, become null. */
  emit(value: object): void {
    if (this.json && this.#muted === null) this.#io.stdout.write(`${visibleJson(JSON.stringify(value))}\n`);
  }

  /** A line for people. */
  say(text = ''): void {
    if (this.#muted !== null) return;
    this.#clear();
    this.#people.write(`${this.#shown(text)}\n`);
    this.#draw();
  }

  /** A line on stderr, whatever the mode. */
  note(text: string): void {
    if (this.#muted !== null) return;
    this.#clear();
    this.#io.stderr.write(`${this.#shown(text)}\n`);
    this.#draw();
  }

  /** Text for people as it comes, in lines of its own. */
  tell(text: string): void {
    if (this.#muted === null) this.#people.write(visible(text, '\n\t'));
  }

  /** Replace the live region. Lines are cut where the terminal ends: one that goes on in the next row could not be taken away again. */
  redraw(lines: readonly string[]): void {
    if (!this.live || this.#muted !== null) return;
    this.#clear();
    this.#region = lines.map((line) => fit(this.#shown(line), this.columns - 1));
    this.#draw();
  }

  /** Text in colors if what people read is a terminal that wants them. */
  paint(style: Style, text: string): string {
    return wantsColor(this.#people, this.#io.env) ? this.#painted(style, text) : text;
  }

  /** The same for the live region. */
  paintLive(style: Style, text: string): string {
    return wantsColor(this.#io.stderr, this.#io.env) ? this.#painted(style, text) : text;
  }

  #painted(style: Style, text: string): string {
    const [begin, end] = styleText(style, '|', { validateStream: false }).replaceAll('\x1b[', this.#color).split('|');
    return `${begin}${text}${end}`;
  }

  /** A line as the terminal gets it. */
  #shown(line: string): string {
    return line
      .split(this.#color)
      .map((part) => visible(part))
      .join('\x1b[');
  }

  #clear(): void {
    if (this.#drawn > 0) this.#io.stderr.write(`\x1b[${this.#drawn}A\r\x1b[J`);
    this.#drawn = 0;
  }

  #draw(): void {
    if (this.#region.length === 0) return;
    this.#io.stderr.write(`${this.#region.join('\n')}\n`);
    this.#drawn = this.#region.length;
  }
}

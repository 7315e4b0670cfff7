// view.ts: what the demo shows while it trains, and at its end: curves in place on a terminal, a line now and then elsewhere.

import { visible } from '../../errors/visible.ts';
import { plot, xAxis } from '../../pages/plot.ts';
import { count, duration, percent, short, table } from '../../text/format.ts';
import type { Screen, Style } from '../screen.ts';
import { type Contender, type DemoResult, figures } from './result.ts';

/** What a training has given so far. */
export type Progress = Pick<Contender, 'loss' | 'norm' | 'clipped' | 'skipped' | 'ms'>;

interface Entry {
  readonly name: string;
  readonly label: string;
}

const COLORS: readonly Style[] = ['yellow', 'green', 'cyan'];
/** Between two pictures. */
const FRAME_MS = 120;
/** Lines of one training where nothing can be drawn again. */
const LINES = 6;
/** Steps that the figures of a line are means of. */
const RECENT = 20;
const WIDEST = 110;

export class DemoView {
  readonly #screen: Screen;
  readonly #entries: readonly Entry[];
  readonly #steps: number;
  readonly #seen = new Map<string, Progress>();
  #drawn = 0;

  constructor(screen: Screen, entries: readonly Entry[], steps: number) {
    this.#screen = screen;
    this.#entries = entries;
    this.#steps = steps;
  }

  start(heading: readonly string[]): void {
    for (const line of [...heading, '']) this.#screen.say(line);
  }

  step(name: string, progress: Progress): void {
    this.#seen.set(name, progress);
    const done = progress.loss.length;
    if (!this.#screen.live) {
      const every = Math.max(1, Math.floor(this.#steps / LINES));
      if (done % every === 0 || done === this.#steps) this.#screen.say(this.#status(name, (_, text) => text));
      return;
    }
    const now = performance.now();
    if (now - this.#drawn < FRAME_MS && done < this.#steps) return;
    this.#drawn = now;
    const room = Math.floor((this.#screen.rows - 10) / 2);
    const paint = (style: Style, text: string): string => this.#screen.paintLive(style, text);
    this.#screen.redraw(this.#picture(Math.min(10, Math.max(3, room)), paint));
  }

  stop(): void {
    this.#screen.redraw([]);
  }

  /** Curves once more where they have been drawn over, table, samples, and where the page is. */
  show(result: DemoResult, page: string): void {
    const screen = this.#screen;
    const paint = (style: Style, text: string): string => screen.paint(style, text);
    screen.redraw([]);
    if (screen.live) for (const line of this.#picture(10, paint)) screen.say(line);
    screen.say();
    for (const line of this.#table(result, paint)) screen.say(line);
    screen.say();
    for (const [i, c] of result.contenders.entries()) {
      screen.say(paint(['bold', COLORS[i]!].flat() as Style, `${c.label} writes:`));
      for (const line of sampleLines(c.sample, this.#columns - 2)) screen.say(`  ${line}`);
      screen.say();
    }
    screen.say(`The whole picture: ${paint('bold', page)}`);
    for (const c of result.contenders) {
      const { name, label, policy, sample } = c;
      screen.emit({ event: 'run', name, label, policy, ...figures(c), sample });
    }
    const { steps, seed, threads, isa, parameters, text } = result;
    screen.emit({ event: 'result', report: page, steps, seed, threads, isa, parameters, text });
  }

  get #columns(): number {
    return Math.min(WIDEST, this.#screen.columns) - 1;
  }

  #picture(height: number, paint: (style: Style, text: string) => string): string[] {
    const width = this.#columns;
    const series = (key: 'loss' | 'norm') =>
      this.#entries.map(({ name }, i) => {
        return { values: this.#seen.get(name)?.[key] ?? [], paint: (text: string) => paint(COLORS[i]!, text) };
      });
    return [
      paint('bold', 'loss, nats per character, logarithmic'),
      ...plot(series('loss'), { width, height, total: this.#steps, log: true }),
      paint('bold', 'gradient norm, logarithmic'),
      ...plot(series('norm'), { width, height, total: this.#steps, log: true }),
      xAxis(width, this.#steps, 'steps'),
      ...this.#entries.map(({ name }) => this.#status(name, paint)),
    ];
  }

  #status(name: string, paint: (style: Style, text: string) => string): string {
    const i = this.#entries.findIndex((entry) => entry.name === name);
    const label = this.#entries[i]!.label.padEnd(16);
    const progress = this.#seen.get(name);
    if (!progress) return `${paint(COLORS[i]!, '━━')} ${label} ${paint('dim', 'to come')}`;
    const { loss, norm, clipped, skipped, ms } = progress;
    const done = loss.length;
    const skips = skipped.filter(Boolean).length;
    const parts = [
      `${String(done).padStart(String(this.#steps).length)}/${this.#steps}`,
      `loss ${short(recent(loss)).padEnd(5)}`,
      `norm ${short(recent(norm)).padEnd(5)}`,
      `clipped ${percent(clipped.filter(Boolean).length, done, 0).padEnd(5)}`,
      duration(ms),
      skips > 0 && `skipped ${count(skips)}`,
    ];
    return `${paint(COLORS[i]!, '━━')} ${label} ${parts.filter(Boolean).join('  ')}`;
  }

  #table({ contenders }: DemoResult, paint: (style: Style, text: string) => string): string[] {
    const head = ['policy', 'loss', 'norm', 'largest', 'clipped', 'skipped', 'time'];
    const rows = contenders.map((c, i) => {
      const f = figures(c);
      return [
        paint(COLORS[i]!, c.label),
        Number.isFinite(f.finalLoss) ? f.finalLoss.toFixed(2) : 'not finite',
        short(f.medianNorm),
        short(f.largestNorm),
        `${f.clippedPercent.toFixed(1)} %`,
        count(f.skipped),
        duration(c.ms),
      ];
    });
    const lines = table(
      [head.map((name) => paint('dim', name)), ...rows],
      ['left', ...head.slice(1).map(() => 'right' as const)],
    );
    const notes = [
      'loss: mean of the last 50 steps, in nats per character',
      'norm: of the gradient before clipping, the median and the largest',
    ];
    return [...lines, ...notes.map((note) => paint('dim', note))];
  }
}

function recent(values: readonly number[]): number {
  const last = values.slice(-RECENT);
  return last.reduce((sum, value) => sum + value, 0) / last.length;
}

/** At most six lines that fit. */
function sampleLines(sample: string, columns: number): string[] {
  const lines = sample.split('\n').map((line) => {
    const shown = [...visible(line.replaceAll('\t', '  '))];
    return shown.length > columns ? `${shown.slice(0, columns - 1).join('')}…` : shown.join('');
  });
  return lines.filter((line) => line.trim() !== '').slice(0, 6);
}

// view.ts: what `gradclip tune` shows while it seeks: a bar on a terminal, a line now and then elsewhere.
import { count, duration, short } from '../../text/format.ts';
import type { SearchOptions } from '../../tune/search.ts';
import { domainJson, type Space } from '../../tune/space.ts';
import { valueText } from '../../tune/table.ts';
import type { TuneEvent } from '../../tune/told.ts';
import type { Screen } from '../screen.ts';

export interface TuneSetting {
  readonly space: Space;
  readonly budget: SearchOptions['budget'];
  readonly metric: string;
  readonly seed: number;
  /** Steps of a whole training. */
  readonly length: number;
  /** Trials that train side by side. */
  readonly workers: number;
}

const FRAME_MS = 100;
const LINE_MS = 10_000;

export class TuneView {
  readonly #screen: Screen;
  readonly #setting: TuneSetting;
  #told = performance.now();
  #begun = 0;
  #best: TuneEvent | null = null;

  constructor(screen: Screen, setting: TuneSetting) {
    this.#screen = screen;
    this.#setting = setting;
  }

  start(): void {
    const { space, budget, metric, seed, length, workers } = this.#setting;
    const json = Object.fromEntries(Object.entries(space).map(([name, domain]) => [name, domainJson(domain)]));
    this.#screen.emit({ event: 'start', space: json, budget, metric, seed, length, workers });
    for (const [name, domain] of Object.entries(json)) this.#screen.say(`${name}: ${JSON.stringify(domain)}`);
    const limits = [
      budget.steps !== null && `${count(budget.steps)} steps`,
      budget.seconds !== null && `${duration(1000 * budget.seconds)}`,
      budget.trials !== null && trialsText(budget.trials),
    ].filter(Boolean);
    const side = workers > 1 ? `; ${workers} side by side` : '';
    this.#screen.say(`seed ${seed}: at most ${limits.join(', ')}; a whole training has ${count(length)} steps${side}`);
    if (budget.steps !== null && budget.steps < length)
      this.#screen.note(
        'that is less than one whole training: trial 0, the configuration as it is, has one, and nothing else is tried',
      );
  }

  trial(event: TuneEvent): void {
    const { metric } = this.#setting;
    this.#screen.emit({ event: 'trial', ...event });
    this.#begun = Math.max(this.#begun, event.trial + 1);
    const better = (a: number, b: number): boolean => (metric === 'loss' ? a < b : a > b);
    const { value } = event;
    // Of those that came farthest, the best.
    const best = this.#best;
    if (!Number.isNaN(value) && (!best || event.step > best.step || (event.step === best.step && better(value, best.value))))
      this.#best = event;
    const now = performance.now();
    if (now - this.#told < (this.#screen.live ? FRAME_MS : LINE_MS)) return;
    this.#told = now;
    if (this.#screen.live) this.#screen.redraw([this.#bar(event), this.#bestLine()]);
    else
      this.#screen.note(
        `${trialsText(this.#begun)}, ${count(event.steps)} steps${event.stage === 'finals' ? ', finalists' : ''}; ${this.#bestLine()}`,
      );
  }

  warning(message: string): void {
    this.#screen.emit({ event: 'warning', message });
    this.#screen.note(`warning: ${message}`);
  }

  /** The bar goes away; lines may follow. */
  pause(): void {
    this.#screen.redraw([]);
  }

  #bestLine(): string {
    const best = this.#best;
    if (!best) return '';
    const params = Object.entries(best.params).map(([name, value]) => `${name} ${valueText(value)}`);
    return `${this.#setting.metric} ${short(best.value)} after ${count(best.step)} steps: ${params.join(', ')}`;
  }

  #bar({ steps, seconds, stage }: TuneEvent): string {
    const { budget } = this.#setting;
    const parts = [
      budget.steps === null ? 0 : steps / budget.steps,
      budget.seconds === null ? 0 : seconds / budget.seconds,
      budget.trials === null ? 0 : (this.#begun - 1) / budget.trials,
    ];
    const part = Math.min(1, Math.max(...parts));
    const width = Math.min(40, Math.max(10, this.#screen.columns - 60));
    const full = Math.round(part * width);
    const bar = this.#screen.paintLive('cyan', '━'.repeat(full)) + this.#screen.paintLive('dim', '━'.repeat(width - full));
    const what = stage === 'finals' ? 'finalists' : trialsText(this.#begun);
    return `${bar} ${String(Math.floor(100 * part)).padStart(3)} %  ${what}  ${count(steps)} steps  ${duration(1000 * seconds)}`;
  }
}

const trialsText = (n: number): string => `${count(n)} trial${n === 1 ? '' : 's'}`;

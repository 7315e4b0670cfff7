// page.ts: the page of a run, from a trainer's digest, or from a history.

import { OptionError } from '../../errors.ts';
import type { Advice } from '../../history/advise.ts';
import { advise } from '../../history/advise.ts';
import { type History, type HistoryLike, historyLike } from '../../history/history.ts';
import { type Digest, digestOf } from '../../history/run/digest.ts';
import { custom, type Field, type OptionsField, options, record, signature, text } from '../../options/index.ts';
import { page } from '../page.ts';
import { NORM_MAP_CSS } from './norm-map.ts';
import { type About, partsOf } from './parts.ts';

/** What the page of a run tells beside its steps. */
export interface RunPageOptions {
  /** Over the page. Default `A training run`. */
  readonly title?: string;
  /** Further lines of its table of figures, by what they are called: `{ 'test accuracy': '98.2 %' }`. Default: none. */
  readonly facts?: Readonly<Record<string, string>>;
  /** What it was trained with, shown as JSON. Default: what the run itself tells. */
  readonly configuration?: unknown;
}

const anything: Field<unknown> = custom('what JSON can hold', (value, place) => {
  let told: string | undefined;
  try {
    told = JSON.stringify(value);
  } catch {
    // A circle, or a BigInt.
  }
  if (told === undefined) throw place.wrong('what JSON can hold', value);
  return value;
});

/** As a page is asked for. */
export interface AskedPage {
  readonly title: string;
  readonly facts: Readonly<Record<string, string>>;
  readonly configuration?: unknown;
}

export const runPageOptions: OptionsField<RunPageOptions, AskedPage> = options<RunPageOptions>()({
  title: text.default('A training run'),
  facts: record(text, 'texts by name').default({}),
  configuration: anything.optional(),
}) as never;

const readRunPage = signature('runPage', { history: historyLike }, runPageOptions);

/**
 * One HTML page of a run, which needs nothing else: loss and validation, learning rate, norms before and after the clip, where it clipped, the norm of each
 * parameter's gradient (of a record with `perLayer`), speed (with `clock`), what guards found and what `clip.auto` decided. However long the run was, curves have
 * no more points than a page has room for.
 *
 * ```ts
 * await writeFile('run.html', runPage(await readRecord('run.jsonl')));
 * ```
 * @param history what `readRecord` gives, reports of steps, or norms
 * @returns the text of the page
 * @throws OptionError
 */
export function runPage(history: HistoryLike, options: RunPageOptions = {}): string {
  const { history: read, ...asked } = readRunPage(arguments) as unknown as { readonly history: History } & AskedPage;
  if (read.length === 0) throw new OptionError('runPage: expected a run of at least one step');
  return drawRun(digestOf(read), aboutOf(asked, null, adviceOn(read)));
}

/** What a page tells, as it is asked for. */
export function aboutOf({ title, facts, configuration }: AskedPage, machine: string | null, advice: Advice | null): About {
  return { title, facts: Object.entries(facts), configuration, machine, advice };
}

/** The page of what was taken in. */
export function drawRun(digest: Digest, about: About): string {
  const parts = partsOf(digest, about).filter(({ html }) => html !== '');
  return page(about.title, parts.map(({ id, html }) => `<div id="${id}">\n${html}\n</div>`).join('\n'), { css: RUN_CSS });
}

/** Rules for the parts of a run. */
export const RUN_CSS: string = `
table.figures { width: auto; min-width: min(100%, 420px); } table.figures td { text-align: left; padding-left: 24px; } table.figures thead { display: none; }
summary { cursor: pointer; color: var(--soft); margin-top: 12px; }
${NORM_MAP_CSS}`;

/** What is wrong with a run; null where nobody can tell: no norm of it is finite. */
export function adviceOn(history: History): Advice | null {
  try {
    return advise(history);
  } catch (error) {
    if (error instanceof OptionError) return null;
    throw error;
  }
}

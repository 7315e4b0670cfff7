// live.ts: the page of a run that is followed, and the script in it that puts new parts in the place of old ones.
import type { Digest } from '../../history/run/digest.ts';
import { page } from '../../pages/page.ts';
import { RUN_CSS } from '../../pages/run/page.ts';
import { type About, type Part, partsOf } from '../../pages/run/parts.ts';
import { escapeHtml } from '../../pages/svg.ts';

/** A part, and the number of the change that made it what it is. */
export interface Drawn extends Part {
  readonly version: number;
}

/** The parts of a page as they were drawn last. */
export class LivePage {
  parts: readonly Drawn[] = [];
  version: number = Date.now();
  readonly #about: About;

  constructor(about: About) {
    this.#about = about;
  }

  /** @returns the parts that have changed */
  draw(digest: Digest): Drawn[] {
    // Above those of a command that was there before, which pages that are still open have seen.
    const version = Math.max(Date.now(), this.version + 1);
    const before = new Map(this.parts.map((part) => [part.id, part]));
    this.parts = partsOf(digest, this.#about).map(({ id, html }) => {
      const known = before.get(id);
      return known?.html === html ? known : { id, html, version };
    });
    const changed = this.parts.filter((part) => part.version === version);
    if (changed.length > 0) this.version = version;
    return changed;
  }

  /** @param state what the page says about the file */
  html(state: string): string {
    const parts = this.parts.map(({ id, html }) => `<div id="${id}">\n${html}\n</div>`);
    const status = `<p class="soft" id="state" role="status" data-version="${this.version}">${escapeHtml(state)}</p>`;
    return page(this.#about.title, [parts[0]!, status, ...parts.slice(1)].join('\n'), { css: RUN_CSS, script: 'live.js' });
  }
}

/** A part that somebody reads by keyboard, or of which text is marked, is left as it is until they go on. */
export const SCRIPT = `'use strict';
const state = document.getElementById('state');
const waiting = new Map();
const read = JSON.parse;
let said = state.textContent;

function isHeld(element) {
  const selection = document.getSelection();
  const marked = selection !== null && !selection.isCollapsed && selection.containsNode(element, true);
  return marked || (element.contains(document.activeElement) && document.activeElement !== document.body);
}

function put(id, html) {
  const element = document.getElementById(id);
  if (element === null) return;
  if (isHeld(element)) {
    waiting.set(id, html);
    return;
  }
  waiting.delete(id);
  const open = [...element.querySelectorAll('details')].map((details) => details.open);
  const places = [...element.querySelectorAll('.scroll')].map((scroll) => scroll.scrollLeft);
  element.innerHTML = html;
  element.querySelectorAll('details').forEach((details, i) => { details.open = open[i] ?? false; });
  element.querySelectorAll('.scroll').forEach((scroll, i) => { scroll.scrollLeft = places[i] ?? 0; });
}

function putWaiting() {
  for (const [id, html] of [...waiting]) put(id, html);
}
document.addEventListener('focusout', () => setTimeout(putWaiting));
document.addEventListener('selectionchange', () => setTimeout(putWaiting));

const source = new EventSource('events?after=' + state.dataset.version);
source.addEventListener('part', (event) => {
  const { id, html } = read(event.data);
  put(id, html);
});
source.addEventListener('state', (event) => {
  said = read(event.data);
  state.textContent = said;
});
source.addEventListener('open', () => { state.textContent = said; });
source.addEventListener('error', () => { state.textContent = 'Not connected: the command that follows the run has ended.'; });
`;

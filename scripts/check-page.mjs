// check-page.mjs: `npm run -s check:page` opens every page of ours in a real Chromium, on a desk and on a phone, light and dark: whether it is there within a
// second, anything is wider than the screen or too small to be read, the console is silent, all of it is reached by keyboard, and axe finds nothing; and follows
// a run with `gradclip watch`. Some pages: `-- --only run,lab`; with pictures: `-- --screenshots DIR`; the laboratory's of a record: `-- --lab lab.jsonl`. The
// browser is CHROME_PATH, or what is called as one usually is; without one it says so, and ends.
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { PAGES, PROGRAM, prepare } from './pages.mjs';

/** Most that a page may take until it is laid out, and the least that text may be high, in pixels. */
const MS = 1000;
const LEAST_TEXT = 9;
const SCREENS = [
  { name: 'desk', width: 1280, height: 800, colorScheme: 'light' },
  { name: 'phone', width: 375, height: 667, colorScheme: 'dark' },
];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { values } = parseArgs({ options: { only: { type: 'string' }, screenshots: { type: 'string' }, lab: { type: 'string' } } });
const executablePath = browserPath();
if (executablePath === null) {
  console.log('skipped: there is no Chromium here (CHROME_PATH names one)');
  process.exit(0);
}
const only = values.only?.split(',') ?? [...Object.keys(PAGES), 'watch'];
if (values.screenshots) mkdirSync(values.screenshots, { recursive: true });
const folder = mkdtempSync(join(tmpdir(), 'gradclip-pages-'));
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
let wrong = 0;
try {
  prepare(folder);
  for (const name of only) {
    if (name === 'watch') continue;
    const file = join(folder, `${name}.html`);
    const made = await PAGES[name](folder, values);
    if (typeof made === 'string') writeFileSync(file, made);
    for (const screen of SCREENS) await check(name, `file://${file}`, screen);
  }
  if (only.includes('watch')) await checkWatch();
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
console.log(wrong === 0 ? 'all pages are as they should be' : `${wrong} found`);
process.exitCode = wrong === 0 ? 0 : 1;

function browserPath() {
  const given = process.env.CHROME_PATH;
  if (given) return existsSync(given) ? given : null;
  for (const name of ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']) {
    const { status, stdout } = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' });
    if (status === 0) return stdout.trim();
  }
  return null;
}

function told(name, what) {
  wrong++;
  console.log(`  ${name}: ${what}`);
}

/** Opens a page, and gives it with what its console said. */
async function opened(url, { width, height, colorScheme }) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme });
  const said = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && said.push(message.text()));
  page.on('pageerror', (error) => said.push(error.message));
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  const begun = performance.now();
  await page.goto(url, { waitUntil: 'load' });
  await page.evaluate(() => document.documentElement.scrollHeight);
  return { page, said, asked, ms: performance.now() - begun };
}

async function check(name, url, screen) {
  const where = `${name}, ${screen.name}`;
  const { page, said, asked, ms } = await opened(url, screen);
  const { wide, high, bytes } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth,
    high: document.documentElement.scrollHeight,
    bytes: document.documentElement.outerHTML.length,
  }));
  console.log(
    `${where}, ${screen.width} pixels, ${screen.colorScheme}: there after ${ms.toFixed(0)} ms, ${wide} wide, ${high} high, ${Math.round(bytes / 1000)} kB`,
  );
  if (ms > MS) told(where, `it took ${ms.toFixed(0)} ms`);
  if (wide > screen.width) told(where, `${wide} pixels wide`);
  const elsewhere = asked.filter(
    (other) => new URL(other).origin !== new URL(url).origin || (url.startsWith('file:') && other !== url),
  );
  if (elsewhere.length > 0) told(where, `asks for ${elsewhere.join(', ')}`);
  await clickDetails(where, page);
  await checkText(where, page);
  await checkKeyboard(where, page);
  await checkAxe(where, page);
  if (values.screenshots)
    await page.screenshot({ path: resolve(values.screenshots, `${name}-${screen.name}.png`), fullPage: true });
  for (const text of said) told(where, `the console says: ${text}`);
  await page.close();
}

/** What is folded up opens when it is clicked, and shuts again; then all of it is open, for what follows. */
async function clickDetails(where, page) {
  const all = page.locator('details');
  for (let i = 0; i < (await all.count()); i++) {
    const summary = all.nth(i).locator('summary').first();
    const isOpen = () => all.nth(i).evaluate((details) => details.open);
    await summary.click();
    if (!(await isOpen())) told(where, `details ${i} does not open by a click`);
    await summary.press('Enter');
    if (await isOpen()) told(where, `details ${i} does not shut by Enter`);
    await summary.press(' ');
  }
}

/** Text is as high as can be read, also within pictures that are drawn smaller. */
async function checkText(where, page) {
  const small = await page.evaluate((least) => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (node.textContent.trim() === '' || element.closest('title, .unseen, script, style')) continue;
      if (element.getClientRects().length === 0 || getComputedStyle(element).visibility === 'hidden') continue;
      const scale = element instanceof SVGGraphicsElement ? element.getScreenCTM().a : 1;
      const size = Number.parseFloat(getComputedStyle(element).fontSize) * (element.closest('[transform]') ? 1 : scale);
      if (size < least) found.push(`${node.textContent.trim().slice(0, 30)} (${size.toFixed(1)})`);
    }
    return found;
  }, LEAST_TEXT);
  if (small.length > 0) told(where, `${small.length} texts below ${LEAST_TEXT} pixels: ${small.slice(0, 3).join(', ')}`);
}

/** What scrolls, folds or leads somewhere is reached by Tab, in the order in which it stands, and seen to be. */
async function checkKeyboard(where, page) {
  const expected = await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
    const all = [...document.querySelectorAll('a[href], summary, [tabindex="0"]')];
    all.forEach((element, i) => {
      element.dataset.stop = String(i);
    });
    for (const element of document.querySelectorAll('main *')) {
      const { overflowX } = getComputedStyle(element);
      const scrolls = ['auto', 'scroll'].includes(overflowX) && element.scrollWidth > element.clientWidth + 1;
      if (scrolls && element.tabIndex < 0)
        return `${element.className || element.tagName} scrolls, and is not reached by keyboard`;
    }
    return all.length;
  });
  if (typeof expected === 'string') return told(where, expected);
  for (let i = 0; i < expected; i++) {
    await page.keyboard.press('Tab');
    const { stop, outline } = await page.evaluate(() => ({
      stop: document.activeElement?.dataset?.stop,
      outline: getComputedStyle(document.activeElement ?? document.body).outlineStyle,
    }));
    if (stop !== String(i)) return told(where, `Tab ${i + 1} of ${expected} comes to ${stop}`);
    if (outline === 'none') return told(where, `the focus on ${stop} is not seen`);
  }
}

async function checkAxe(where, page) {
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document));
  if (passes.length < 10) told(where, `axe has looked at ${passes.length} rules only`);
  for (const { id, help, nodes } of violations)
    told(where, `axe: ${id}: ${help}: ${nodes[0].html.slice(0, 160)} (${nodes.length})`);
}

/** The page of a run that grows: what was added is there, and what somebody reads stays as it is until they go on. */
async function checkWatch() {
  const lines = readFileSync(join(folder, 'run.jsonl'), 'utf8').split(/(?<=\n)/);
  const half = lines.length >> 1;
  const file = join(folder, 'growing.jsonl');
  writeFileSync(file, lines.slice(0, half).join(''));
  const argv = [PROGRAM, 'watch', 'growing.jsonl', '--port', '0', '--every', '50'];
  const child = spawn(process.execPath, argv, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const url = await new Promise((done) => {
      let text = '';
      child.stdout.on('data', (chunk) => {
        text += chunk;
        const found = /http:\S+/.exec(text);
        if (found) done(found[0]);
      });
    });
    for (const screen of SCREENS) await check('watch', url, screen);
    const { page, said } = await opened(url, SCREENS[0]);
    const figures = page.locator('#head table');
    const before = await figures.innerText();
    await page.locator('#norms').evaluate((part) => {
      part.tabIndex = -1;
      part.focus();
    });
    const norms = () => page.locator('#norms svg').first().getAttribute('aria-label');
    const held = await norms();
    appendFileSync(file, lines.slice(half).join(''));
    await page.waitForFunction((text) => document.querySelector('#head table').innerText !== text, before, { timeout: 10_000 });
    await page.waitForFunction(() => document.querySelector('#loss svg') !== null);
    if ((await norms()) !== held) told('watch', 'a part that has the focus was changed');
    await page.locator('#norms').evaluate((part) => part.blur());
    await page.waitForFunction((text) => document.querySelector('#norms svg').getAttribute('aria-label') !== text, held, {
      timeout: 5000,
    });
    child.kill('SIGINT');
    await page.waitForFunction(() => document.getElementById('state').textContent.startsWith('Not connected'), null, {
      timeout: 10_000,
    });
    // That the connection is gone, the console says.
    for (const text of said.filter((line) => !/ERR_(CONNECTION|EMPTY|INCOMPLETE)/.test(line)))
      told('watch', `the console says: ${text}`);
    console.log('watch: what was added to the record came to the page');
    await page.close();
  } finally {
    child.kill('SIGKILL');
  }
}

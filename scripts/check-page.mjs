// check-page.mjs: `npm run -s check:page` opens the laboratory's page in a real Chromium, on a desk and on a phone: how long until it is laid out, and whether
// anything is wider than the screen. Of a record: `-- lab.jsonl`; else of made-up runs, as many as a whole laboratory has. Without a browser it says so, and ends.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { labPage } from '../dist/lib/lab/page/page.js';
import { LADDER, USUAL } from '../dist/lib/lab/policies.js';
import { readLab } from '../dist/lib/lab/record.js';
import { summarize } from '../dist/lib/lab/summary.js';
import { WORKLOADS } from '../dist/lib/lab/workloads/list.js';

/** Most that a page may take. */
const SECONDS = 1;
const SCREENS = { desk: 1280, phone: 390 };

const browser = ['chromium', 'chromium-browser', 'google-chrome'].find((name) => spawnSync(name, ['--version']).status === 0);
if (browser === undefined) {
  console.log('skipped: there is no Chromium here');
  process.exit(0);
}
const file = process.argv[2];
const lines = file === undefined ? madeUp() : (await readLab(file)).lines;
const folder = mkdtempSync(join(tmpdir(), 'gradclip-page-'));
try {
  writeFileSync(join(folder, 'page.html'), labPage(summarize(lines), { machine: 'a machine', version: '0' }));
  let failed = false;
  for (const [name, width] of Object.entries(SCREENS)) {
    const { ms, wide, high } = opened(width);
    const wrong = ms > 1000 * SECONDS || wide > width;
    failed ||= wrong;
    console.log(
      `${name}, ${width} pixels: laid out after ${ms.toFixed(0)} ms, ${wide} wide, ${high} high${wrong ? ': too much' : ''}`,
    );
  }
  process.exitCode = failed ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The page in a frame of so many pixels. */
function opened(width) {
  const script = `const begun = performance.now();
    document.querySelector('iframe').addEventListener('load', ({ target }) => {
      const { scrollWidth: wide, scrollHeight: high } = target.contentDocument.documentElement;
      document.title = JSON.stringify({ ms: performance.now() - begun, wide, high });
    });
    document.querySelector('iframe').src = 'page.html';`;
  const frame = `<!doctype html><title></title><iframe style="border:0;width:${width}px;height:800px"></iframe><script>${script}</script>`;
  writeFileSync(join(folder, 'frame.html'), frame);
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--allow-file-access-from-files', '--dump-dom'];
  const dom = execFileSync(browser, [...flags, `file://${join(folder, 'frame.html')}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  }).toString();
  return JSON.parse(/<title>(.*?)<\/title>/.exec(dom)[1]);
}

/** Runs of all networks, policies and ten seeds, with losses that follow from their names. */
function madeUp() {
  const policies = [{ name: 'globalNorm', levels: LADDER.map((times) => ({ name: `x${times}` })) }, ...USUAL];
  const of = (...words) => [...words.join(' ')].reduce((h, c) => (h * 31 + c.charCodeAt(0)) % 9973, 7) / 9973;
  return [...WORKLOADS.values()].flatMap(({ name: workload, kind }) =>
    ['sgd', 'adam'].flatMap((optimizer) =>
      Array.from({ length: 10 }, (_, seed) => seed).flatMap((seed) =>
        policies.flatMap(({ name: policy, levels }) =>
          levels.flatMap(({ name: level, usual = false }) => {
            const test =
              0.1 +
              0.5 * of(policy, level) +
              0.3 * of(workload, policy, level, optimizer) +
              0.1 * of(seed, policy, level, workload);
            const norms = {
              median: of(workload),
              p99: 1 + 9 * of(workload, optimizer),
              tail: 1 + 4 * of(optimizer, workload),
              drift: of(seed, workload),
            };
            const run = {
              workload,
              optimizer,
              policy,
              level,
              seed,
              kind,
              usual,
              steps: 100,
              extra: 0,
              clipped: 0.5,
              skipped: 0,
              norms,
            };
            return [{ ...run, train: test, validation: test, test, diverged: null, ignorant: 1, threshold: null, seconds: 0.05 }];
          }),
        ),
      ),
    ),
  );
}

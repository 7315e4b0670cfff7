// lab.mjs: `npm run -s docs:lab -- RECORD...` writes the tables of docs/LAB.md from records of `gradclip lab`.
import { readFileSync, writeFileSync } from 'node:fs';
import { keyOf } from '../dist/lib/lab/line.js';
import { labMarkdown, withParts } from '../dist/lib/lab/markdown.js';
import { readLab } from '../dist/lib/lab/record.js';
import { summarize } from '../dist/lib/lab/summary.js';
import { HELD_OUT } from '../dist/lib/lab/workloads/held-out/list.js';

const files = process.argv.slice(2);
if (files.length === 0) {
  console.error('expected records: npm run -s docs:lab -- lab.jsonl');
  process.exit(2);
}
const page = new URL('../docs/LAB.md', import.meta.url);
const records = await Promise.all(files.map((file) => readLab(file)));
const lines = new Map(records.flatMap((record) => record.lines.map((line) => [keyOf(line), line])));
const machines = [...new Set(records.map(({ header }) => `${header.machine}, gradclip ${header.library}`))];
// Those that were held out have a section of their own.
const of = (isHeld) => [...lines.values()].filter(({ workload }) => HELD_OUT.has(workload) === isHeld);
const held = of(true).length === 0 ? null : summarize(of(true));
writeFileSync(page, withParts(readFileSync(page, 'utf8'), labMarkdown(summarize(of(false)), machines, held)));

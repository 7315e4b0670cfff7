// lab.mjs: `npm run -s docs:lab -- RECORD...` writes the tables of docs/LAB.md from records of `gradclip lab`.
import { readFileSync, writeFileSync } from 'node:fs';
import { keyOf } from '../dist/lib/lab/line.js';
import { labMarkdown, withParts } from '../dist/lib/lab/markdown.js';
import { readLab } from '../dist/lib/lab/record.js';
import { summarize } from '../dist/lib/lab/summary.js';

const files = process.argv.slice(2);
if (files.length === 0) {
  console.error('expected records: npm run -s docs:lab -- lab.jsonl');
  process.exit(2);
}
const page = new URL('../docs/LAB.md', import.meta.url);
const records = await Promise.all(files.map((file) => readLab(file)));
const lines = new Map(records.flatMap((record) => record.lines.map((line) => [keyOf(line), line])));
const machines = [...new Set(records.map(({ header }) => `${header.machine}, gradclip ${header.library}`))];
writeFileSync(page, withParts(readFileSync(page, 'utf8'), labMarkdown(summarize([...lines.values()]), machines)));

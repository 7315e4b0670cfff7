// run.ts: writes docs/reference. Run: npm run -s docs:reference
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { readDocumented } from '../tsdoc/read.ts';
import { PAGES, pageOf } from './make.ts';

const { items } = readDocumented();
// All of them before the first is removed: what fails leaves the folder as it is.
const pages = Object.keys(PAGES).map((name) => [name, pageOf(name, items)] as const);
mkdirSync('docs/reference', { recursive: true });
for (const name of readdirSync('docs/reference')) rmSync(`docs/reference/${name}`);
for (const [name, page] of pages) writeFileSync(`docs/reference/${name}.md`, page);

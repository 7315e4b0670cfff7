// run.ts: writes docs/reference. Run: npm run -s docs:reference
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { readDocumented } from '../tsdoc/read.ts';
import { PAGES, pageOf } from './make.ts';

const { items } = readDocumented();
mkdirSync('docs/reference', { recursive: true });
for (const name of readdirSync('docs/reference')) rmSync(`docs/reference/${name}`);
for (const name of Object.keys(PAGES)) writeFileSync(`docs/reference/${name}.md`, pageOf(name, items));

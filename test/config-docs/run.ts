// run.ts: writes docs/config.schema.json and the tables of docs/CONFIG.md. Run: npm run -s docs:config
import { readFileSync, writeFileSync } from 'node:fs';
import { configPage, configSchema } from './make.ts';

writeFileSync('docs/config.schema.json', configSchema());
writeFileSync('docs/CONFIG.md', configPage(readFileSync('docs/CONFIG.md', 'utf8')));

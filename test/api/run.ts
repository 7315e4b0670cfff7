// run.ts: `npm run -s api`: prints what is public; with --update writes it to docs/api.md.
import { writeFileSync } from 'node:fs';
import { render } from './render.ts';
import { readReport } from './report.ts';

const text = render(readReport());
if (process.argv.includes('--update')) writeFileSync('docs/api.md', text);
else process.stdout.write(text);

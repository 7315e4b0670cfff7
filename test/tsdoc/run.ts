// run.ts: `npm run -s tsdoc`: what comments of public names lack, a line for each; with --shorten takes what is there out of the list.
import { check, shorten } from './check.ts';

const checked = check();
const files = new Map(checked.items.map(({ path, file }) => [path, file]));
const rows = [...checked.missing].map(([path, parts]) => ({ file: files.get(path)!, path, parts }));
for (const { file, path, parts } of rows.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0)))
  console.log(`${file} ${path}: ${Array.from(parts, ([part, what]) => `${part} (${what})`).join(', ')}`);
console.log(`${rows.length} of ${checked.items.length} names`);
if (process.argv.includes('--shorten')) shorten(checked);

// tables.test.ts: a table of 50,000 rows with texts, dates and gaps, from its file to a model by one command, is worth what scikit-learn's pipeline is.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { folder, run } from '../kit.ts';

const SCRIPTS = new URL('../../../scripts/tables/', import.meta.url);
const { tableText, FILES } = (await import(new URL('make.mjs', SCRIPTS).href)) as {
  tableText(rows: number, label: string, seed: number): string;
  FILES: readonly { name: string; label: string; rows: number; seed: number }[];
};
const theirs = JSON.parse(readFileSync(new URL('pipeline.json', SCRIPTS), 'utf8')) as { accuracy: number };

it('a class of two', async () => {
  const tables = FILES.filter(({ label }) => label === 'stays');
  const cwd = folder(Object.fromEntries(tables.map(({ name, label, rows, seed }) => [name, tableText(rows, label, seed)])));
  const ran = await run(['train', 'stays.csv', '--json'], { cwd });
  expect(ran.code, ran.stderr).toBe(0);
  const [found] = (await run(['evaluate', 'stays.safetensors', 'stays-test.csv', '--json'], { cwd })).json();
  expect((found as { classes: { accuracy: number } }).classes.accuracy).toBeGreaterThan(theirs.accuracy - 0.005);
});

// layers.test.ts: left never imports right: errors < math < text < options < ir < ... < cli. lib/index.ts stands above all.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ORDER =
  'errors math text options ir ops autodiff compile native io data nn metrics models clip optim history pages train cli public index'.split(
    ' ',
  );
const rank = (path: string): number => ORDER.indexOf(path.split('/')[1]!.replace('.ts', ''));
const files = (readdirSync('lib', { recursive: true }) as string[]).filter((f) => f.endsWith('.ts')).map((f) => `lib/${f}`);

it.each(files)('%s', (file) => {
  expect(rank(file), 'a folder with no place in the order').toBeGreaterThanOrEqual(0);
  const source = readFileSync(file, 'utf8');
  for (const [, target] of source.matchAll(/(?:from|import\(|^import) *'(\.[^']+)'/gm)) {
    const path = join(file, '..', target!);
    expect(rank(path), `${file} imports ${path}`).toBeLessThanOrEqual(rank(file));
  }
});

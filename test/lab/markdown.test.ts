// markdown.test.ts: the tables of docs/LAB.md: between their markers, nothing else changed, no line too long, all numbers finite.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { adviceLines } from '../../lib/lab/advice.ts';
import type { LabLine } from '../../lib/lab/line.ts';
import { labMarkdown, type Part, withParts } from '../../lib/lab/markdown.ts';
import { LADDER } from '../../lib/lab/policies.ts';
import { summarize } from '../../lib/lab/summary.ts';

const lines = ['a', 'b'].flatMap((workload) =>
  [0, 1].flatMap((seed) => {
    const line = (policy: string, level: string, test: number): LabLine => ({
      ...{
        workload,
        optimizer: 'sgd',
        seed,
        policy,
        level,
        kind: 'recurrent',
        usual: !level.startsWith('x'),
        steps: 10,
        extra: 0,
      },
      ...{ clipped: 0, skipped: 0, train: test, validation: test, test, diverged: null, ignorant: 1, threshold: null },
      ...{ norms: { median: 1, p99: 2, tail: null, drift: 1 }, seconds: 1 },
    });
    const ladder = LADDER.map((times, i) => line('globalNorm', `x${times}`, i === 2 ? 0.08 : 0.5));
    return [...ladder, line('none', 'none', 0.38), line('auto', 'auto', 0.08 + 0.02 * seed)];
  }),
);
const summary = summarize(lines);

it('advice: the best way of a kind, beside no clip', () => {
  expect(adviceLines(summary)).toEqual([
    'Recurrent networks with SGD: `auto`, 1.10 (1.00 to 1.20); without a clip 4.00 (4.00 to 4.00); 2 networks, 4 scores.',
  ]);
});

it('every part has a place on the page, which keeps all else', () => {
  const page = readFileSync('docs/LAB.md', 'utf8');
  const parts = labMarkdown(summary, ['a machine'], summary);
  const made = withParts(page, parts);
  for (const [name, part] of Object.entries(parts) as [Part, string][]) {
    expect(made, name).toContain(`<!-- lab ${name} -->\n${part}\n<!-- end of lab -->`);
    expect(part).not.toMatch(/NaN|Infinity|undefined/);
    for (const line of part.split('\n')) if (!line.startsWith('|')) expect(line.length).toBeLessThan(120);
  }
  const bare = (text: string): string => text.replace(/(<!-- lab \w+ -->)[\s\S]*?(<!-- end of lab -->)/g, '$1$2');
  expect(bare(made)).toBe(bare(page));
  expect(withParts(made, parts)).toBe(made);
});

// training.test.ts: the tables of docs/TRAINING.md have every field that a step reports and a run results in, and every code of a warning.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { clip, guard, loss, nn, optim, prune, regularize, Trainer } from '../../lib/index.ts';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/TRAINING.md'), 'utf8');

/** What stands between a heading and the next. */
const section = (title: string): string => page.split(/^#+ /m).find((text) => text.startsWith(`${title}\n`))!;
const code = (text: string): string[] => Array.from(text.matchAll(/`(\w+)`/g), ([, name]) => name!);
/** The first cells of a table's rows, and by which option there is such a field. */
const fields = (title: string): { name: string; always: boolean }[] =>
  section(title)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => {
      const cells = line.split('|').map((cell) => cell.trim());
      return code(cells[1]!).map((name) => ({ name, always: !cells[4]!.startsWith('with ') }));
    });
const all = (title: string): string[] => fields(title).map(({ name }) => name);
const always = (title: string): string[] => fields(title).flatMap(({ name, always }) => (always ? [name] : []));

const data = {
  x: [
    [1, 2],
    [3, 4],
    [5, 7],
    [7, 8],
  ],
  y: [[1], [0], [1], [0]],
};
const plain = {
  loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
  optimizer: optim.sgd({ lr: 1e-3 }),
} satisfies Partial<ConstructorParameters<typeof Trainer<nn.Linear>>[0]>;

it('the fields of a report and a result', async () => {
  const least = await new Trainer({ model: new nn.Linear(2, 1), ...plain }).fit(data, { steps: 1 });
  const most = await new Trainer({
    model: new nn.Linear(2, 1),
    ...plain,
    clip: clip.auto(),
    guards: [guard.finite()],
    lossScale: 2,
    regularize: regularize.l2(1e-3),
    prune: prune.magnitude({ sparsity: 0.5 }),
  }).fit(data, { steps: 1, profile: true });
  const sorted = (names: Iterable<string>): string[] => [...names].sort();
  expect(sorted(always('What a step reports'))).toEqual(sorted(Object.keys(least.last!)));
  expect(sorted(all('What a step reports'))).toEqual(sorted(Object.keys(most.last!)));
  expect(sorted(always('What a run results in'))).toEqual(sorted(Object.keys(least)));
  expect(sorted(all('What a run results in'))).toEqual(sorted(Object.keys(most)));
});

it('the codes of warnings', () => {
  const source = readFileSync(join(root, 'lib/train/flow/warnings.ts'), 'utf8');
  const codes = Array.from(/TrainingWarningCode =([\s\S]*?);/.exec(source)![1]!.matchAll(/'(\w+)'/g), ([, name]) => name);
  const listed = Array.from(section('Warnings').matchAll(/^- `(\w+)`:/gm), ([, name]) => name);
  expect(listed.sort()).toEqual(codes.sort());
});

// circles.test.ts: no files import values of each other in a circle: which of them runs first would decide what the others find.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { filesUnder } from './files.ts';

/** Files, and what each imports: values, or types too. */
type Arrows = ReadonlyMap<string, ReadonlySet<string>>;

/** An `import` of types that is none of `import type` is there when the program runs. */
const IMPORT = /^(?:import|export)\b( type\b(?! from))?(?:[^;'"]*?\bfrom)? *'(\.[^']+)'|\bimport\( *'(\.[^']+)'/gm;

function arrowsOf(sources: ReadonlyMap<string, string>, types: boolean): Arrows {
  const of = (file: string, source: string): string[] =>
    [...source.matchAll(IMPORT)]
      .filter(([, type]) => types || !type)
      .map(([, , path, dynamic]) => join(file, '..', (path ?? dynamic)!).replaceAll('\\', '/'))
      .filter((path) => sources.has(path));
  return new Map([...sources].map(([file, source]) => [file, new Set(of(file, source))]));
}

/** What is reached from a file. */
function reach(arrows: Arrows, file: string): Set<string> {
  const found = new Set<string>();
  const left = [file];
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    for (const next of arrows.get(at)!) if (!found.has(next)) left.push(next) && found.add(next);
  }
  return found;
}

/** Files that reach each other. */
function circlesOf(arrows: Arrows): string[] {
  const reached = new Map([...arrows.keys()].map((file) => [file, reach(arrows, file)]));
  const circles = [...reached].flatMap(([file, found]) =>
    found.has(file) ? [[...found].filter((other) => reached.get(other)!.has(file)).sort()] : [],
  );
  return [...new Set(circles.map((files) => files.join(' ')))].sort();
}

const folders = ['lib', 'bench', 'scripts', 'test', 'examples'];
const tree = new Map(
  folders
    .flatMap(filesUnder)
    .filter((file) => /\.(ts|mjs|js)$/.test(file))
    .map((file) => [file, readFileSync(file, 'utf8')]),
);

it('sees circles: of three files, of one, of what is imported late, and beside types', () => {
  const sources = new Map([
    ['a/x.ts', "import { y } from './y.ts';"],
    ['a/y.ts', "export {\n  type Z,\n  z,\n} from '../b/z.ts';"],
    ['b/z.ts', "import '../a/x.ts';\nimport type { W } from './w.ts';"],
    ['b/w.ts', "import { z } from './z.ts';"],
    ['b/late.ts', "const late = await import('./late-too.ts');"],
    ['b/late-too.ts', "import { type L } from './late.ts';"],
    ['b/self.ts', "import { self } from './self.ts';"],
  ]);
  expect(circlesOf(arrowsOf(sources, false))).toEqual(['a/x.ts a/y.ts b/z.ts', 'b/late-too.ts b/late.ts', 'b/self.ts']);
  expect(circlesOf(arrowsOf(sources, true))[0]).toBe('a/x.ts a/y.ts b/w.ts b/z.ts');
});

it('there are none', () => {
  const arrows = arrowsOf(tree, false);
  expect([...arrows.values()].reduce((n, { size }) => n + size, 0)).toBeGreaterThan(2000);
  expect(circlesOf(arrows)).toEqual([]);
});

// Types alone are gone when a program runs. Those that close a circle are named: another one is a choice.
const OF_TYPES = [
  'lib/cli/commands/train-view.ts lib/cli/commands/train.ts',
  'lib/clip/fields.ts lib/clip/finite.ts',
  'lib/ir/graph.ts lib/ir/onnx.ts lib/ir/op.ts lib/ir/samples.ts',
  'lib/nn/fields.ts lib/nn/module/buffer.ts lib/nn/module/module.ts lib/nn/module/parameter.ts lib/nn/module/repr.ts lib/nn/module/trace.ts lib/nn/module/tree.ts',
  'lib/optim/apply/apply.ts lib/optim/apply/build.ts lib/optim/apply/finishing.ts lib/optim/apply/lookups.ts lib/optim/apply/shared-parts.ts lib/optim/optimizer.ts lib/optim/standalone/bound.ts lib/optim/weights/ema.ts',
];

it('types close these', () => {
  expect(circlesOf(arrowsOf(tree, true))).toEqual(OF_TYPES);
});

// spelling.test.ts: names and words are spelled the American way, in code, documents and messages alike.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { filesUnder } from './files.ts';

const FOLDERS = ['lib', 'binding', 'docs', 'examples', 'bench', 'scripts', 'test'];
/** What has old names on purpose, and what others wrote. */
const OLD =
  /\/node_modules\/|^(test\/fixtures\/|lib\/cli\/config\/renamed\.ts|lib\/data\/preprocess\.ts|test\/(.*\/)?(earlier-versions|spelling)\.test\.ts)/;

const BRITISH = new RegExp(
  [
    'neighbour|colour|behaviour|favour|honour|labour|centre|metre\\b|labelled|modelled|cancelled|travelled|catalogue|judgement',
    'learnt|spelt|licence|defence|grey|towards|whilst|artefact|analyse',
    // Not: advise, arise, exercise, noise, otherwise, precise, promise, raise, revise, rise, wise.
    '\\B(?:al|ar|or|im|in|er|on|ent|ard|mar|gan|cogn|chron|dom|til|ken|gor|ct)is(?:e|ed|es|er|ers|ing|ation|ations)\\b',
  ].join('|'),
  'gi',
);

function* files(): Generator<string> {
  yield* ['README.md', 'CONTRIBUTING.md'];
  for (const folder of FOLDERS) {
    for (const name of filesUnder(folder)) {
      if (/\.(ts|mjs|md|py|cc|h|inc)$/.test(name) && !OLD.test(name)) yield name;
    }
  }
}

test('spelling is American', () => {
  const found = Array.from(files()).flatMap((file) => {
    // A title is spelled as its authors did.
    const lines = readFileSync(file, 'utf8')
      .replace(/@see .*/g, '')
      .split('\n');
    return lines.flatMap((line, i) => Array.from(line.matchAll(BRITISH), ([word]) => `${file}:${i + 1} ${word}`));
  });
  expect(found).toEqual([]);
});

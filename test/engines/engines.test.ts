// engines.test.ts: trainings that need exp, log, sin and powers of JavaScript's side have the same bits under the engine that runs the suite
// as under those that `npm run -s check:engines` was given last.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import * as library from '../../lib/index.ts';
import * as math from '../../lib/math/index.ts';
import { bitsOf, type Kept } from './kept.ts';
import { engineHashes } from './training.ts';

const kept = JSON.parse(readFileSync('test/golden/runs/engines.json', 'utf8')) as Kept;

it('hashes are those that were kept', async () => {
  const hashes = await engineHashes(library, math);
  const message = 'if bits were meant to change: npm run -s check:engines -- --update, and again with GRADCLIP_ISA=x86_64';
  expect(hashes, message).toEqual(kept[bitsOf(library.runtime().isa)]);
});

// dying.ts: in place of a process that reads inputs: it ends itself, or hangs, at one of them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Answer, Request } from '../fuzz/child.ts';

const folder = join(process.argv[2]!, String(process.pid));
mkdirSync(folder);

const DIES = 7;
const HANGS = 12;

function answer(request: Request): Answer {
  if (request.kind !== 'range') return { failure: null };
  const seeds = Array.from({ length: request.to - request.from }, (_, i) => request.from + i);
  for (const seed of seeds) {
    writeFileSync(join(folder, 'now'), String(seed));
    if (seed === DIES) process.kill(process.pid, 'SIGKILL');
    while (seed === DIES || seed === HANGS);
  }
  return { seen: seeds.map((seed) => ({ seed, reader: 'npy', failure: null, said: ['accepted'], ms: 1, bytes: 1 })) };
}

process.on('message', (request: Request) => process.send!(answer(request)));
process.on('disconnect', () => process.exit());
process.send!({ folder });

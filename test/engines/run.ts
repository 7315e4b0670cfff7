// run.ts: the same trainings under several engines; exits with 1 if a bit differs. Run: npm run -s check:engines -- [--update] PATH...
// Each PATH is the executable of an engine (node, bun); the one that runs this is always among them. --update keeps its hashes for the suite.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import type { Kept } from './kept.ts';

const GOLDEN = 'test/golden/runs/engines.json';
const { values, positionals } = parseArgs({ options: { update: { type: 'boolean' } }, allowPositionals: true });
const child = fileURLToPath(new URL('print.js', import.meta.url));
interface Printed {
  readonly engine: string;
  readonly bits: keyof Kept;
  readonly hashes: Kept['fma'];
}
const printed = async (path: string): Promise<Printed> =>
  JSON.parse((await promisify(execFile)(path, [child])).stdout) as Printed;
const runs = await Promise.all([process.execPath, ...positionals].map(printed));
const { bits, hashes: first } = runs[0]!;
let differing = 0;
for (const name of Object.keys(first)) {
  for (const { engine, hashes } of runs) {
    const same = hashes[name] === first[name];
    if (!same) differing++;
    console.log(`${name.padEnd(12)} ${engine.padEnd(14)} ${hashes[name]!.slice(0, 16)}${same ? '' : '  differs'}`);
  }
}
console.log(`${runs.length} engines, ${differing} differences`);
if (values.update) {
  const kept = JSON.parse(readFileSync(GOLDEN, 'utf8')) as Kept;
  writeFileSync(GOLDEN, `${JSON.stringify({ ...kept, [bits]: first }, null, 1)}\n`);
}
process.exitCode = differing === 0 ? 0 : 1;

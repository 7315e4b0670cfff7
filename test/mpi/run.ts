// run.ts: `npm run -s check:groups`: groups of 1, 2, 4 and 8 processes under each launcher that is there: hashes of what each workload comes to; then what
// may go wrong in one of two processes, and how all ended.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { ENDS, STRANGER, STRANGERS } from './ends.ts';
import { type Ended, installed, launch, scenario } from './launch.ts';

/** Within so many seconds of what goes wrong. */
const LIMIT = 5;
const folder = mkdtempSync(join(tmpdir(), 'gradclip-ends-'));
let failed = 0;

/** Hashes of workloads, as the first group has them. */
let one: Readonly<Record<string, string>> | null = null;
for (const launcher of installed) {
  for (const size of [1, 2, 4, 8]) {
    const { said, errors, seconds } = await launch(launcher, size, scenario('all', folder));
    const { hashes = {} } = (said ?? {}) as { readonly hashes?: Readonly<Record<string, string>> };
    one ??= hashes;
    const other = Object.keys(one).filter((name) => hashes[name] !== one![name]);
    if (said === null || other.length > 0) failed++;
    const found = said === null ? `ended: ${errors}` : other.length > 0 ? `other bits in ${other.join(', ')}` : 'the same bits';
    console.log(
      `${launcher.library}, ${size} processes: ${Object.keys(hashes).length} workloads in ${seconds.toFixed(1)} s: ${found}`,
    );
  }
}
for (const [name, hash] of Object.entries(one ?? {})) console.log(`${name.padEnd(12)}${hash}`);

console.log(
  '\n| what goes wrong in process 1 | launcher | seconds until all have ended | code | what is said |\n| --- | --- | --- | --- | --- |',
);
function tell(what: string, library: string, { code, errors, seconds }: Ended, says: string): void {
  const line =
    errors.split('\n').find((text) => says !== '' && text.includes(says)) ??
    errors.split('\n').find((text) => /kill|signal|KILLED/i.test(text));
  const right = line !== undefined && code !== 0 && code !== null && seconds < LIMIT;
  if (!right) failed++;
  const text = (line ?? errors).trim().replaceAll('|', '\\|').replaceAll('\n', ' ').slice(0, 150);
  console.log(`| ${what} | ${library} | ${seconds.toFixed(1)}${right ? '' : ' WRONG'} | ${code} | ${text} |`);
}

try {
  for (const launcher of installed) {
    for (const [name, what, says] of ENDS) tell(what, launcher.library, await launch(launcher, 2, scenario(name, folder)), says);
    const { tensors } = await readSafetensors(join(folder, 'killed.safetensors'));
    if (tensors.size === 0) failed++;
  }
  for (const [launcher, file] of STRANGERS) {
    tell(
      'its library is another one',
      launcher.library,
      await launch(launcher, 2, scenario('all', folder), { GRADCLIP_MPI: file }),
      STRANGER,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(
  installed.length === 0
    ? 'skipped: no mpirun is there'
    : failed === 0
      ? 'all as it should be'
      : `${failed} not as they should be`,
);
process.exitCode = failed === 0 ? 0 : 1;

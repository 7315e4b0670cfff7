// plant.ts: `npm run -s torture:faults [-- NAME...] [--seed 1]`: puts each fault into a copy of the checkout, builds it, and tells after how many
// programs torture finds it.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { changed } from '../../mutate/change.ts';
import { copyCheckout } from '../../mutate/copy.ts';
import { FAULTS } from './faults.ts';

const { values: flags, positionals } = parseArgs({ options: { seed: { type: 'string', default: '1' } }, allowPositionals: true });
const root = fileURLToPath(new URL('../../../../', import.meta.url));
const names = positionals.length > 0 ? positionals : Object.keys(FAULTS);
for (const name of names) if (!FAULTS[name]) throw new Error(`no fault ${name}; there are ${Object.keys(FAULTS).join(', ')}`);

let missed = 0;
for (const name of names) {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-fault-'));
  try {
    copyCheckout(root, folder);
    const { file, within, what } = FAULTS[name]!;
    writeFileSync(join(folder, file), changed(FAULTS[name]!, readFileSync(join(folder, file), 'utf8')));
    if (file.startsWith('binding/')) run(folder, 'npm', ['run', '-s', 'build:native']);
    else cpSync(join(root, 'build'), join(folder, 'build'), { recursive: true });
    run(folder, 'npx', ['tsc', '-p', 'tsconfig.build.json']);
    const args = ['dist/test/torture/run.js', '--programs', String(within), '--seed', flags.seed];
    const { status, stdout } = spawnSync('node', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    const found = /^FAILED: program (\d+)/m.exec(stdout);
    if (status === 0 || !found) missed++;
    console.log(`${name} (${what}): ${found ? `found in program ${found[1]} of ${within}` : `NOT FOUND in ${within} programs`}`);
    if (found) console.log(stdout.slice(found.index, stdout.indexOf('\nlayers:')));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
process.exitCode = missed > 0 ? 1 : 0;

function run(folder: string, command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`);
}

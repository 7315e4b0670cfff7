// run.ts: every op's kernels here and under other executables of Node, on other processors perhaps: exits with 1 where a bit differs.
// Run: npm run -s check:processors -- [--shapes 12] PATH...
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import type { Hashes } from './hashes.ts';

const { values, positionals } = parseArgs({ options: { shapes: { type: 'string', default: '12' } }, allowPositionals: true });
const child = fileURLToPath(new URL('print.js', import.meta.url));

interface Printed {
  readonly engine: string;
  readonly hashes: Hashes;
}
const printed = async (path: string): Promise<Printed> => {
  const { stdout } = await promisify(execFile)(path, [child, values.shapes], { maxBuffer: 1 << 28 });
  return JSON.parse(stdout) as Printed;
};

const [here, ...elsewhere] = (await Promise.all([process.execPath, ...positionals].map(printed))) as [Printed, ...Printed[]];
const cases = Object.entries(here.hashes);
let differing = cases.length === 0 ? 1 : 0;
for (const there of elsewhere) {
  const unknown = Object.keys(there.hashes).filter((name) => !here.hashes[name]);
  const faults = unknown.map((name) => `${name}: not here`);
  for (const [name, [ins, outs]] of cases) {
    const other = there.hashes[name];
    if (!other) faults.push(`${name}: not there`);
    else if (other[0] !== ins) faults.push(`${name}: the inputs differ`);
    else if (other[1] !== outs) faults.push(`${name}: the outputs differ`);
  }
  for (const fault of faults.slice(0, 20)) console.log(fault);
  console.log(`${there.engine}, beside ${here.engine}: ${cases.length} cases, ${faults.length} differences`);
  differing += faults.length;
}
process.exitCode = differing === 0 ? 0 : 1;

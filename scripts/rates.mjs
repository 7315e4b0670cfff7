// rates.mjs: `npm run -s measure:rates` prints which rate a workload of the laboratory should have (bench/rates.ts), and ends with 1 where it has
// another; some: `-- --only mlp-tiny,lenet`. Two minutes.
import { rateOf } from '../dist/bench/rates.js';
import { HELD_OUT } from '../dist/lib/lab/workloads/held-out/list.js';
import { WORKLOADS } from '../dist/lib/lab/workloads/list.js';

const ALL = new Map([...WORKLOADS, ...HELD_OUT]);

const at = process.argv.indexOf('--only');
const only = at < 0 ? [...ALL.keys()] : process.argv[at + 1].split(',');
const show = (x) => (Number.isFinite(x) ? String(Number(x.toPrecision(3))) : 'diverges');
console.log('| workload | optimizer | it has | to take | loss by rate: no clip, global norm 1 |\n|---|---|---|---|---|');
for (const name of only) {
  const workload = ALL.get(name);
  if (!workload) throw new Error(`no workload ${name}: one of ${[...ALL.keys()].join(', ')}`);
  for (const kind of ['sgd', 'adam']) {
    const { outcomes, best } = rateOf(workload, kind);
    const has = workload.optimizers[kind]().lr(0);
    const losses = outcomes.map(({ lr, none, clipped }) => `${lr}: ${show(none)}, ${show(clipped)}`);
    console.log(`| ${name} | ${kind} | ${has} | ${best} | ${losses.join('; ')} |`);
    if (has !== best) process.exitCode = 1;
  }
}

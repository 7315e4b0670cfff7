// hosts.ts: `npm run -s check:hosts`: two hosts within this machine, what exchanges between them take, steps beside what that predicts, and steps on many.
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { type Sample, short } from '../../lib/cli/bench/sample.ts';
import { Stepper } from '../../lib/cli/bench/stepper.ts';
import * as clip from '../../lib/clip/index.ts';
import { median } from '../../lib/text/format.ts';
import { fillParameters, loadWorkload } from '../workload.ts';
import { fitted } from './model.ts';
import { TwoHosts } from './namespaces.ts';
import { type Launcher, launchers, Ranks } from './ranks.ts';
import { type Alone, type Link, linksTable, type Measured, putTables, type Stepped, tablesOf } from './tables.ts';

/** Gradients of an exchange. */
const SIZES = [64, 1024, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];
const TIMES = 3;
/** Of an exchange, and of a workload's steps, about. */
const [EXCHANGE_MS, STEPS_MS] = [150, 1200];

const { values: flags } = parseArgs({
  options: {
    rates: { type: 'string', default: 'none,1' },
    only: { type: 'string', default: 'mlp-small,char-lstm,gpt-nano,gpt-mini,mlp-large' },
    library: { type: 'string' },
    from: { type: 'string' },
    keep: { type: 'string' },
    into: { type: 'string' },
  },
});

async function linkOf(launcher: Launcher, gigabits: number | null): Promise<Link> {
  const ranks = await Ranks.start(launcher, 2, 1);
  const times: [number, number][] = [];
  for (const elements of SIZES) {
    const some = await ranks.ask<number>({ exchange: elements, steps: 4 });
    const steps = Math.max(4, Math.min(400, Math.round(EXCHANGE_MS / some)));
    const found: number[] = [];
    for (let i = 0; i < TIMES; i++) found.push(await ranks.ask<number>({ exchange: elements, steps }));
    times.push([4 * elements, short(median(found))]);
  }
  await ranks.close();
  const { alpha, beta } = fitted(times);
  return { library: launcher.library, gigabits, alpha: short(alpha), beta: short(beta), times };
}

/** What a step takes of its two processes, and all but what they exchange. */
interface Times {
  readonly step: number;
  readonly own: number;
}

async function timesOf(launcher: Launcher, workloads: readonly string[]): Promise<Map<string, Times>> {
  const ranks = await Ranks.start(launcher, 2, 1);
  const found = new Map<string, Times>();
  for (const workload of workloads) {
    await ranks.ask({ open: workload, shards: 2 });
    const { median_ms } = await ranks.ask<Sample>({ steps: 4 });
    const steps = Math.max(6, Math.round(STEPS_MS / median_ms));
    const { median_ms: step } = await ranks.ask<Sample>({ steps });
    found.set(workload, { step, own: await ranks.ask<number>({ own: steps }) });
  }
  await ranks.close();
  return found;
}

/** One host with the whole batch, on all of its cores. */
async function aloneOf(workload: string): Promise<Alone> {
  const { model: make, bounds, batch, loss, optimizer } = await loadWorkload(workload);
  const model = make();
  fillParameters(model, bounds);
  const stepper = new Stepper({ model, batch: batch(), loss, optimizer }, clip.globalNorm(1), availableParallelism());
  await stepper.first(3);
  const { median_ms } = await stepper.run(STEPS_MS / 1000);
  const { instrs, ms } = await stepper.profiled(Math.max(3, Math.round(STEPS_MS / 4 / median_ms)), true);
  const update = instrs.reduce((sum, { kernel, ms }) => sum + (kernel.startsWith('update_') ? ms : 0), 0);
  const { params } = stepper;
  stepper.dispose();
  return { workload, params, ms: short(median_ms), updateMs: short((update / ms) * median_ms) };
}

async function measure(): Promise<Measured | string> {
  const workloads = flags.only.split(',');
  const rates = flags.rates.split(',').map((rate) => (rate === 'none' ? null : Number(rate)));
  if (rates.some((rate) => rate !== null && !(rate > 0)))
    throw new Error(`--rates: expected gigabits a second, got ${flags.rates}`);
  const found = launchers().filter(({ library }) => flags.library === undefined || library === flags.library);
  if (found.length === 0) return 'no mpirun is there';
  let hosts: TwoHosts;
  try {
    hosts = TwoHosts.open();
  } catch (error) {
    return `two hosts cannot be made here: ${(error as Error).message}`;
  }
  // Namespaces outlive whoever made them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      hosts.close();
      process.exit(1);
    });
  const [links, steps]: [Link[], Stepped[]] = [[], []];
  try {
    for (const launcher of found) {
      const near = await timesOf(launcher, workloads);
      for (const gigabits of rates) {
        hosts.rate(gigabits);
        const way = hosts.launcher(launcher);
        const link = await linkOf(way, gigabits);
        links.push(link);
        console.error(linksTable([link]).split('\n').at(-1));
        for (const [workload, { step }] of await timesOf(way, workloads)) {
          const params = (await loadWorkload(workload)).reference.params;
          steps.push({
            workload,
            params,
            library: launcher.library,
            gigabits,
            own: short(near.get(workload)!.own),
            ms: short(step),
          });
        }
      }
    }
  } finally {
    hosts.close();
  }
  const alone: Alone[] = [];
  for (const workload of workloads) alone.push(await aloneOf(workload));
  const cpu = cpus()[0]?.model.trim() ?? 'unknown';
  return { date: new Date().toISOString().slice(0, 10), cpu, cores: availableParallelism(), links, steps, alone };
}

/** What several runs have measured; of a link the first one counts. */
function joined(files: readonly string[]): Measured {
  const all = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Measured);
  const links = new Map<string, Link>();
  for (const link of all.flatMap((one) => one.links)) {
    const name = `${link.library} ${link.gigabits}`;
    if (!links.has(name)) links.set(name, link);
  }
  const [first] = all;
  return {
    ...first!,
    links: [...links.values()],
    steps: all.flatMap((one) => one.steps),
    alone: all.flatMap((one) => one.alone),
  };
}

const measured = flags.from ? joined(flags.from.split(',')) : await measure();
if (typeof measured === 'string') console.log(`skipped: ${measured}`);
else {
  if (flags.keep) writeFileSync(flags.keep, `${JSON.stringify(measured, null, 1)}\n`);
  console.log(Object.values(tablesOf(measured)).join('\n\n'));
  if (flags.into) writeFileSync(flags.into, putTables(readFileSync(flags.into, 'utf8'), measured));
}

// run.ts: `npm run -s torture -- --programs 10000 --seed 1 [--jobs 2]`: random networks, each run plainly on one thread and in four other ways
// that must give the same bits. Program k is that of seed + k, whatever came before it.
// --beside PATH: the four ways are run by that executable of Node, of another version or processor; the plain run by the one that runs this.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Counts } from './counts.ts';
import { drawProgram } from './draw.ts';
import { Lane } from './lane.ts';
import { print } from './print.ts';
import { shrink } from './shrink.ts';
import { drawVariants } from './variants.ts';

const { values: flags } = parseArgs({
  options: {
    programs: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    failures: { type: 'string', default: '1' },
    beside: { type: 'string' },
  },
});
const whole = (name: keyof typeof flags): number => {
  const n = Number(flags[name]);
  if (Number.isSafeInteger(n) && n >= 0) return n;
  throw new Error(`--${name}: expected a whole number, got ${flags[name]}`);
};
const [programs, first, jobs, most] = [whole('programs'), whole('seed'), whole('jobs'), whole('failures')];

const counts = new Counts();
const started = performance.now();
let next = 0;
let failures = 0;

async function work(): Promise<void> {
  const lane = await new Lane(flags.beside).start();
  tellIsas(lane.isas);
  for (let k = next++; k < programs && failures < most; k = next++) {
    const seed = first + k;
    const spec = drawProgram(seed);
    const failure = await lane.check(spec, drawVariants(spec, lane.isas));
    counts.add(spec);
    if (failure && failures++ < most) {
      console.log(`FAILED: program ${k + 1}, seed ${seed}; to see it again: npm run -s torture -- --programs 1 --seed ${seed}`);
      console.log(print(spec, failure));
      const smaller = await shrink(lane, spec, failure);
      console.log(`a smallest network that shows it:\n${print(smaller.spec, smaller.failure)}`);
    }
    if ((k + 1) % 500 === 0) console.log(`${k + 1} programs, ${seconds()} s`);
  }
  lane.close();
}

let told = false;
function tellIsas(isas: readonly string[]): void {
  if (told) return;
  told = true;
  if (flags.beside) {
    console.log(`instruction sets: ${isas.join(', ')} of ${flags.beside} beside the best one here`);
    return;
  }
  const [best, next] = isas.filter((isa) => isa !== 'x86_64');
  const wide = next ? `${best} beside ${next}` : `${best ?? 'x86_64'} alone: this machine has no more`;
  console.log(`instruction sets: ${wide}${best ? ', x86_64 beside itself' : ''}`);
}

function seconds(): number {
  return Math.round((performance.now() - started) / 1000);
}

await Promise.all(Array.from({ length: jobs }, work));
console.log(counts.table());
console.log(`${counts.programs} programs, ${failures} failed, ${seconds()} s`);
process.exitCode = failures > 0 ? 1 : 0;

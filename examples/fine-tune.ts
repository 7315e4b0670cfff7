// fine-tune.ts: a network that was trained on much data learns another task from few rows, in three phases (Howard and Ruder 2018): its new head alone, then
// the layer before it, then all of it, at lower and lower rates. trainer.change says what is trained next, and what is kept of each parameter stays.
// The tasks: of sixteen numbers two sums make a point of the plane, and the class is the sector around 0 in which it lies; in the second task sectors are a
// little turned, and counted in another order. Few rows do not tell which sums these are.
// Run: npm run -s build:ts && node dist/examples/fine-tune.js (a few seconds)
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { loss, metrics, type NdArray, nn, optim, type Tensor, Trainer } from 'gradclip';
import { normal, random } from './random.ts';

const WIDTH = 16;
const SECTORS = 6;
const TURN = 0.3; // of a radian

class Net extends nn.Module {
  body: nn.Sequential = new nn.Sequential(new nn.Linear(WIDTH, 64), new nn.ReLU(), new nn.Linear(64, 64), new nn.ReLU());
  head: nn.Linear = new nn.Linear(64, SECTORS);
  forward(x: Tensor): Tensor {
    return this.head.forward(this.body.forward(x));
  }
}

type Rows = Readonly<Record<'x', NdArray> & Record<'y', Int32Array>>;
/** Rows of numbers, and what `label` makes of their sectors. */
function points(count: number, seed: number, turn: number, label: (sector: number) => number): Rows {
  const x = Float32Array.from({ length: count * WIDTH }, normal(random(seed)));
  const y = Int32Array.from({ length: count }, (_, i) => {
    const [a, b, c, d, e, f, g, h] = x.subarray(i * WIDTH) as unknown as number[];
    const angle = Math.atan2(e! - f! + g! - h!, a! + b! + c! - d!) + Math.PI + turn;
    return label(Math.floor((angle / (2 * Math.PI)) * SECTORS) % SECTORS);
  });
  return { x: { data: x, shape: [count, WIDTH] }, y };
}

export interface FineTuneExample {
  /** Rows of the first task, and of the second. */
  readonly many?: number;
  readonly few?: number;
  readonly seed?: number;
}
/** Parts of test rows of the second task that are classified right. */
export interface FineTuneScores {
  /** By a network that has seen the second task alone. */
  readonly scratch: number;
  /** After each phase. */
  readonly phases: readonly number[];
}

/** Train, print and give what is found. */
export async function main({ many = 4000, few = 150, seed = 1 }: FineTuneExample = {}): Promise<FineTuneScores> {
  const trainerOf = (model: Net) =>
    new Trainer({
      model,
      loss: ({ x, y }, net) => loss.crossEntropy(net.forward(x), y),
      metrics: { accuracy: ({ x, y }, net) => metrics.accuracy(net.forward(x), y) },
      optimizer: optim.adamw({ lr: 3e-3 }),
      seed,
    });
  const other = (sector: number): number => (5 * sector + 3) % SECTORS;
  const rows = points(few, seed + 1, TURN, other);
  const test = points(2000, seed + 2, TURN, other);

  const first = trainerOf(new Net());
  await first.fit(
    points(many, seed, 0, (sector) => sector),
    { epochs: 20 },
  );

  const scratch = trainerOf(new Net());
  await scratch.fit(rows, { epochs: 150 });

  const tuned = trainerOf(new Net());
  await tuned.writeParameters(first, { match: 'body.*' });
  const phases: number[] = [];
  for (const { epochs, ...change } of [
    { freeze: 'body.*', lr: 1e-2, epochs: 30 },
    { unfreeze: 'body.2.*', lr: 3e-4, epochs: 10 },
    { unfreeze: 'body.*', lr: 1e-4, epochs: 10 },
  ]) {
    tuned.change(change);
    await tuned.fit(rows, { epochs });
    const { accuracy } = await tuned.evaluate(test);
    console.log(`${tuned.trained.length} parameters trained, at a rate of ${change.lr}: ${(100 * accuracy).toFixed(1)} % right`);
    phases.push(accuracy);
  }
  const alone = (await scratch.evaluate(test)).accuracy;
  console.log(`from scratch: ${(100 * alone).toFixed(1)} %`);
  for (const trainer of [first, scratch, tuned]) trainer.dispose();
  return { scratch: alone, phases };
}

if (argv[1] === fileURLToPath(import.meta.url)) await main();

// network.ts: what the networks of this folder have in common: they train step by step and tell what each step was given, so that the same steps can be done
// elsewhere (npm run -s check:networks compares their losses with PyTorch's).
import { argv } from 'node:process';
import { pathToFileURL } from 'node:url';
import type { NdArray, nn } from 'gradclip';

/** One step of training. */
export interface Step {
  /** Of networks that train several things in turns: which. */
  readonly part?: string;
  /** What the loss was given. */
  readonly batch: Readonly<Record<string, NdArray>>;
  readonly loss: number;
}

/** A network, its data and how it is trained. */
export interface Network {
  /** With its first weights until the first step is taken. */
  readonly model: nn.Module;
  /** Trains, a step each time that the next is asked for. */
  steps(count: number): Iterable<Step>;
  /** What it has learned, in numbers whose names say what they are. */
  score(): Readonly<Record<string, number>>;
  dispose(): void;
}

/** Options of each example's `main`. */
export interface MainOptions {
  readonly steps?: number;
  readonly seed?: number;
}

export const f32 = (data: Float32Array | readonly number[], ...shape: readonly number[]): NdArray<Float32Array> => ({
  data: data instanceof Float32Array ? data : Float32Array.from(data),
  shape,
});
export const i32 = (data: Int32Array | readonly number[], ...shape: readonly number[]): NdArray<Int32Array> => ({
  data: data instanceof Int32Array ? data : Int32Array.from(data),
  shape,
});

/** Train, print now and then, and give the scores. */
export function train(network: Network, steps: number): Readonly<Record<string, number>> {
  try {
    let step = 0;
    let sum = 0;
    const often = Math.max(1, Math.floor(steps / 5));
    for (const { loss } of network.steps(steps)) {
      step++;
      sum += loss;
      if (step % often !== 0) continue;
      console.log(`step ${step}: loss ${(sum / often).toFixed(4)}`);
      sum = 0;
    }
    const scores = network.score();
    for (const [name, value] of Object.entries(scores)) console.log(`${name}: ${value.toFixed(4)}`);
    return scores;
  } finally {
    network.dispose();
  }
}

/** Whether a file was started as a program; `--seeds N` asks for the scores of seeds 1 to N. */
export function start(url: string, main: (options: MainOptions) => Readonly<Record<string, number>>): void {
  if (!argv[1] || url !== pathToFileURL(argv[1]).href) return;
  const at = argv.indexOf('--seeds');
  const seeds = at < 0 ? 1 : Number(argv[at + 1]);
  const scores = Array.from({ length: seeds }, (_, i) => main({ seed: i + 1 }));
  if (seeds === 1) return;
  for (const name of Object.keys(scores[0]!)) {
    const values = scores.map((one) => one[name]!).sort((a, b) => a - b);
    const [low, middle, high] = [values[0]!, values[seeds >> 1]!, values.at(-1)!];
    console.log(`${name} over ${seeds} seeds: median ${middle.toFixed(4)}, ${low.toFixed(4)} to ${high.toFixed(4)}`);
  }
}

// ctc.ts: speech to what is said (Graves et al. 2006): phones of a small language, each two tones as formants are, of speakers of all sizes, in noise, as
// long as they happen to last, with pauses. Nobody says which part of the sound is which phone.
// Run: npm run -s build:ts && node dist/examples/networks/ctc.js (half a minute)
import { clip, loss, type NdArray, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { normal, random } from '../random.ts';
import { f32, i32, type MainOptions, type Network, type Step, start, train } from './network.ts';

/** Formants of a phone, in Hz. */
const PHONES: readonly (readonly [number, number])[] = [
  [250, 1150],
  [250, 1650],
  [400, 800],
  [400, 1400],
  [550, 1100],
  [550, 1750],
  [700, 950],
  [700, 1500],
];
/** Samples a second, and of a frame; a frame has levels of so many frequencies, 62.5 Hz apart from 125 Hz on. */
const RATE = 4000;
const FRAME = 64;
const BANDS = 30;
/** Frames and phones of an utterance at most. */
const FRAMES = 72;
const MOST = 8;
const BATCH = 16;
const HIDDEN = 32;
const STEPS = 600;

interface Utterances {
  /** Logarithms of levels [n, FRAMES, BANDS]; 0 after the end. */
  readonly x: NdArray<Float32Array>;
  /** How many frames there are [n]. */
  readonly frames: NdArray<Int32Array>;
  /** Phones from 1 on [n, MOST], and -1 after the last. */
  readonly y: NdArray<Int32Array>;
}

/** The sine and cosine of each frequency over a frame, under a window. */
const WAVES = Array.from({ length: BANDS }, (_, band) => {
  const at = (wave: (angle: number) => number): Float64Array =>
    Float64Array.from({ length: FRAME }, (_, i) => {
      const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / FRAME);
      return window * wave((2 * Math.PI * (band + 2) * i) / FRAME);
    });
  return [at(Math.sin), at(Math.cos)] as const;
});

function utterances(count: number, seed: number): Utterances {
  const uniform = random(seed);
  const gauss = normal(uniform);
  const between = (least: number, most: number): number => least + Math.floor((most - least + 1) * uniform());
  const x = new Float32Array(count * FRAMES * BANDS);
  const y = new Int32Array(count * MOST).fill(-1);
  const frames = new Int32Array(count);
  for (let n = 0; n < count; n++) {
    // Of a speaker: formants go by the size of the head, lengths by haste.
    const [size, haste] = [0.85 + 0.3 * uniform(), 0.8 + 0.4 * uniform()];
    const sound: number[] = [];
    const silence = (parts: number): void => {
      for (let i = 0; i < parts * (FRAME / 4); i++) sound.push(0);
    };
    const said = between(3, MOST);
    silence(between(0, 8));
    for (let k = 0; k < said; k++) {
      const phone = Math.floor(PHONES.length * uniform());
      y[n * MOST + k] = 1 + phone;
      const length = Math.floor(FRAME * haste * (3 + 3 * uniform()));
      const phases = [uniform(), uniform()];
      for (let i = 0; i < length; i++) {
        // Loud in the middle, as one says it.
        const loud = Math.sin((Math.PI * (i + 0.5)) / length) ** 0.5;
        const tones = PHONES[phone]!.map(
          (hertz, j) => Math.sin(2 * Math.PI * (phases[j]! + (size * hertz * i) / RATE)) / (1 + j),
        );
        sound.push(loud * (tones[0]! + tones[1]!));
      }
      silence(between(1, 6));
    }
    frames[n] = Math.min(FRAMES, Math.floor(sound.length / FRAME));
    for (let t = 0; t < frames[n]!; t++) {
      const part = Float64Array.from({ length: FRAME }, (_, i) => sound[t * FRAME + i]! + 0.3 * gauss());
      for (const [band, [sine, cosine]] of WAVES.entries()) {
        let [a, b] = [0, 0];
        for (let i = 0; i < FRAME; i++) {
          a += part[i]! * sine[i]!;
          b += part[i]! * cosine[i]!;
        }
        x[(n * FRAMES + t) * BANDS + band] = Math.log(0.1 + a * a + b * b) / 2;
      }
    }
  }
  return { x: f32(x, count, FRAMES, BANDS), frames: i32(frames, count), y: i32(y, count, MOST) };
}

class Listener extends nn.Module {
  near: nn.Conv1d = new nn.Conv1d(BANDS, HIDDEN, 5, { padding: 2 });
  all: nn.GRU = new nn.GRU(HIDDEN, HIDDEN, { bidirectional: true });
  head: nn.Linear = new nn.Linear(2 * HIDDEN, 1 + PHONES.length);

  /** Logits [n, time, phones and the blank] of levels [n, time, BANDS]. */
  forward(x: Tensor, lengths: Tensor): Tensor {
    const turned = ops.transpose(x, { axes: [0, 2, 1] });
    const seen = ops.transpose(ops.relu(this.near.forward(turned)), { axes: [0, 2, 1] });
    return this.head.forward(this.all.forward(seen, { lengths }).output);
  }
}

/** How many phones must be put in, left out or changed, to make one sequence of another (Levenshtein 1965). */
function edits(a: readonly number[], b: readonly number[]): number {
  let row = b.map((_, j) => j + 1);
  for (const [i, own] of a.entries()) {
    let [diagonal, left] = [i, i + 1];
    row = b.map((other, j) => {
      left = Math.min(row[j]! + 1, left + 1, diagonal + (own === other ? 0 : 1));
      diagonal = row[j]!;
      return left;
    });
  }
  return b.length === 0 ? a.length : row.at(-1)!;
}

export function network({ seed = 1, steps: all = STEPS }: MainOptions = {}): Network {
  const model = new Listener();
  const trainer = new Trainer({
    model,
    loss: ({ x, frames, y }: Readonly<Record<'x' | 'frames' | 'y', Tensor>>, listener) =>
      loss.ctc(listener.forward(x, frames), y, { inputLengths: frames }),
    predict: ({ x, frames }: { x: Tensor; frames: Tensor }, listener) =>
      ops.ctcDecode(listener.forward(x, frames), { inputLengths: frames }),
    optimizer: optim.adam({ lr: optim.schedule.cosine(5e-3, { steps: all }) }),
    clip: clip.globalNorm(1),
    seed,
  });
  return {
    model,
    *steps(count): Generator<Step> {
      for (let i = 0; i < count; i++) {
        const { x, frames, y } = utterances(BATCH, 100_000 * seed + i);
        const batch = { x, frames, y };
        yield { batch, loss: trainer.stepSync(batch).loss };
      }
    },
    score() {
      const { x, frames, y } = utterances(200, 99_999);
      const { data, shape } = trainer.predictSync({ x, frames });
      const row = (of: ArrayLike<number>, n: number, width: number): number[] =>
        Array.from({ length: width }, (_, k) => of[n * width + k]!).filter((label) => label > 0);
      let [errors, phones] = [0, 0];
      for (let n = 0; n < shape[0]!; n++) {
        const said = row(y.data, n, MOST);
        errors += edits(row(data, n, FRAMES), said);
        phones += said.length;
      }
      return { labelErrorRate: errors / phones };
    },
    dispose: () => trainer.dispose(),
  };
}

export const main = ({ steps = STEPS, seed = 1 }: MainOptions = {}): Readonly<Record<string, number>> =>
  train(network({ seed, steps }), steps);
start(import.meta.url, main);

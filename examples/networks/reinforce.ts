// reinforce.ts: policy gradients (Williams 1992): a pole on a cart (Barto, Sutton and Anderson 1983) is kept upright. Eight games are played with the policy
// as it is; then each move is made likelier by how much better than usual the rest of its game went.
// Run: npm run -s build:ts && node dist/examples/networks/reinforce.js (some seconds)
import { clip, loss, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { random } from '../random.ts';
import { f32, i32, type MainOptions, type Network, type Step, start, train } from './network.ts';

const GAMES = 8;
/** Moves of a game at most. */
const LONGEST = 200;
const ROWS = GAMES * LONGEST;
const GAMMA = 0.99;

/** The physics of the article, 20 ms a move: position, speed, angle, its speed. */
function moved([x, v, angle, w]: readonly number[], right: boolean): number[] {
  const [gravity, cart, pole, half, dt] = [9.8, 1, 0.1, 0.5, 0.02];
  const push = ((right ? 10 : -10) + pole * half * w! * w! * Math.sin(angle!)) / (cart + pole);
  const turn =
    (gravity * Math.sin(angle!) - Math.cos(angle!) * push) / (half * (4 / 3 - (pole * Math.cos(angle!) ** 2) / (cart + pole)));
  const speed = push - (pole * half * turn * Math.cos(angle!)) / (cart + pole);
  return [x! + dt * v!, v! + dt * speed, angle! + dt * w!, w! + dt * turn];
}
const stands = ([x, , angle]: readonly number[]): boolean => Math.abs(x!) < 2.4 && Math.abs(angle!) < (12 * Math.PI) / 180;

class Policy extends nn.Module {
  inner: nn.Linear = new nn.Linear(4, 32);
  head: nn.Linear = new nn.Linear(32, 2);
  /** Logits [n, 2] of left and right. */
  forward(x: Tensor): Tensor {
    return this.head.forward(ops.tanh(this.inner.forward(x)));
  }
}

export function network({ seed = 1 }: Pick<MainOptions, 'seed'> = {}): Network {
  const uniform = random(seed);
  const model = new Policy();
  const trainer = new Trainer({
    model,
    // Rows beyond the end of a game have an advantage of 0.
    loss: ({ x, move, advantage }: { x: Tensor; move: Tensor; advantage: Tensor }, policy) =>
      ops.mean(ops.mul(loss.crossEntropy(policy.forward(x), move, { reduction: 'none' }), ops.cast(advantage, 'f64'))),
    predict: ({ x }: { x: Tensor }, policy) => policy.forward(x),
    optimizer: optim.adam({ lr: 0.01 }),
    clip: clip.globalNorm(1),
    seed,
  });
  /** Games side by side. @param draws moves as likely as the policy says; else the likelier one */
  const play = (count: number, draws: boolean): { states: number[][][]; moves: number[][] } => {
    const now = Array.from({ length: count }, () => Array.from({ length: 4 }, () => 0.1 * uniform() - 0.05));
    const states: number[][][] = now.map(() => []);
    const moves: number[][] = now.map(() => []);
    for (let t = 0; t < LONGEST && now.some(stands); t++) {
      const { data } = trainer.predictSync({ x: f32(now.flat(), count, 4) });
      for (const [g, state] of now.entries()) {
        if (!stands(state)) continue;
        const likely = 1 / (1 + Math.exp(data[2 * g]! - data[2 * g + 1]!));
        const right = draws ? uniform() < likely : likely > 0.5;
        states[g]!.push(state);
        moves[g]!.push(Number(right));
        now[g] = moved(state, right);
      }
    }
    return { states, moves };
  };
  return {
    model,
    *steps(count): Generator<Step> {
      for (let i = 0; i < count; i++) {
        const { states, moves } = play(GAMES, true);
        const returns = moves.map((list) => {
          const out = new Array<number>(list.length);
          let rest = 0;
          for (let t = list.length - 1; t >= 0; t--) {
            rest = 1 + GAMMA * rest;
            out[t] = rest;
          }
          return out;
        });
        const all = returns.flat();
        const mean = all.reduce((a, b) => a + b, 0) / all.length;
        const std = Math.sqrt(all.reduce((a, b) => a + (b - mean) ** 2, 0) / all.length) + 1e-8;
        const [x, move, advantage] = [new Float32Array(4 * ROWS), new Int32Array(ROWS), new Float32Array(ROWS)];
        x.set(states.flat().flat());
        move.set(moves.flat());
        // So that the mean over all rows is that over the moves that were made.
        advantage.set(all.map((value) => ((value - mean) / std) * (ROWS / all.length)));
        const batch = { x: f32(x, ROWS, 4), move: i32(move, ROWS), advantage: f32(advantage, ROWS) };
        yield { batch, loss: trainer.stepSync(batch).loss };
      }
    },
    score() {
      const { moves } = play(50, false);
      return { movesAGame: moves.reduce((sum, list) => sum + list.length, 0) / moves.length };
    },
    dispose: () => trainer.dispose(),
  };
}

export const main = ({ steps = 150, seed = 1 }: MainOptions = {}): Readonly<Record<string, number>> =>
  train(network({ seed }), steps);
start(import.meta.url, main);

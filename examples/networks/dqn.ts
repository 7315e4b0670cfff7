// dqn.ts: Q-learning with a network, a memory of moves and a target network (Mnih et al. 2015): an agent in a maze of 6 x 6 fields learns the shortest way
// to the goal from everywhere. The network acts after each step of training, in the same thread; the target's weights are copied from it now and then.
// Run: npm run -s build:ts && node dist/examples/networks/dqn.js (a few seconds)
import { clip, loss, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { random } from '../random.ts';
import { f32, i32, type MainOptions, type Network, type Step, start, train } from './network.ts';

const MAZE = ['..#...', '..#.#.', '....#.', '.##.#.', '...#..', '.#...G'];
const SIZE = MAZE.length;
const FIELDS = SIZE * SIZE;
const GOAL = FIELDS - 1;
const MOVES = [
  [-1, 0],
  [0, 1],
  [1, 0],
  [0, -1],
] as const;
const isFree = (y: number, x: number): boolean => y >= 0 && x >= 0 && y < SIZE && x < SIZE && MAZE[y]![x] !== '#';
const FREE = Array.from({ length: FIELDS }, (_, s) => s).filter((s) => s !== GOAL && isFree(Math.floor(s / SIZE), s % SIZE));

/** The field after a move; a wall leaves the agent where it is. */
function moved(field: number, move: number): number {
  const [dy, dx] = MOVES[move]!;
  const [y, x] = [Math.floor(field / SIZE) + dy, (field % SIZE) + dx];
  return isFree(y, x) ? y * SIZE + x : field;
}

/** Moves to the goal on the shortest way from each field. */
function shortest(): number[] {
  const far = new Array<number>(FIELDS).fill(Number.POSITIVE_INFINITY);
  far[GOAL] = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (const field of FREE) {
      const now = 1 + Math.min(...MOVES.map((_, m) => far[moved(field, m)]!));
      if (now < far[field]!) {
        far[field] = now;
        changed = true;
      }
    }
  }
  return far;
}

const mlp = (): nn.Sequential => new nn.Sequential(new nn.Embedding(FIELDS, 32), new nn.ReLU(), new nn.Linear(32, MOVES.length));

class Agent extends nn.Module {
  q: nn.Sequential = mlp();
  target: nn.Sequential = mlp();
  /** The value of each move [n, 4] on fields [n]. */
  forward(x: Tensor): Tensor {
    return this.q.forward(x);
  }
}

type Moves = { readonly [name in 'x' | 'move' | 'reward' | 'next' | 'goes']: Tensor };
const GAMMA = 0.95;

/** Moves from one copy of the target to the next. */
const OFTEN = 50;
/** Moves that are remembered, and those of a step. */
const ROOM = 5000;
const BATCH = 32;
const STEPS = 6000;

export function network({ seed = 1, steps: all = STEPS }: MainOptions = {}): Network {
  const uniform = random(seed);
  const model = new Agent();
  const trainer = new Trainer({
    model,
    parameters: 'q.*',
    loss({ x, move, reward, next, goes }: Moves, agent) {
      const taken = ops.sum(ops.mul(agent.q.forward(x), ops.oneHot(move, { classes: MOVES.length })), { axes: [1] });
      const best = ops.max(agent.target.forward(next), { axes: [1] });
      return loss.huber(taken, ops.add(reward, ops.mul(ops.mul(best, goes), GAMMA)));
    },
    optimizer: optim.adam({ lr: optim.schedule.cosine(1e-2, { steps: all }) }),
    clip: clip.globalNorm(10),
    seed,
  });
  const follow = (): void => void trainer.writeParametersSync(trainer, { match: 'q.*', rename: { 'q.': 'target.' } });
  const best = (field: number): number => {
    const { data } = trainer.predictSync({ x: Int32Array.of(field) });
    return data.indexOf(Math.max(...data));
  };
  // What was done: of each move the field, the move, its reward, the next field, and whether it goes on.
  const memory: [number, number, number, number, number][] = [];
  const draw = <T>(list: readonly T[]): T => list[Math.floor(uniform() * list.length)]!;
  follow();
  return {
    model,
    *steps(count): Generator<Step> {
      let field = draw(FREE);
      let left = 40;
      for (let step = 0; step < count; step++) {
        const explores = uniform() < Math.max(0.1, 1 - step / (0.5 * all));
        const move = explores ? Math.floor(uniform() * MOVES.length) : best(field);
        const next = moved(field, move);
        memory[step % ROOM] = [field, move, next === GOAL ? 1 : 0, next, next === GOAL ? 0 : 1];
        field = next;
        if (field === GOAL || --left === 0) {
          field = draw(FREE);
          left = 40;
        }
        const some = Array.from({ length: BATCH }, () => draw(memory));
        const column = (k: number): number[] => some.map((moves) => moves[k]!);
        const batch = {
          x: i32(column(0), BATCH),
          move: i32(column(1), BATCH),
          reward: f32(column(2), BATCH),
          next: i32(column(3), BATCH),
          goes: f32(column(4), BATCH),
        };
        yield { batch, loss: trainer.stepSync(batch).loss };
        if (step % OFTEN === OFTEN - 1) follow();
      }
    },
    score() {
      const far = shortest();
      const good = FREE.filter((from) => {
        let at = from;
        for (let k = 0; k < far[from]!; k++) at = moved(at, best(at));
        return at === GOAL;
      });
      return { shortestWays: good.length / FREE.length };
    },
    dispose: () => trainer.dispose(),
  };
}

export const main = ({ steps = STEPS, seed = 1 }: MainOptions = {}): Readonly<Record<string, number>> =>
  train(network({ seed, steps }), steps);
start(import.meta.url, main);

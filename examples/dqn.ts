// dqn.ts: Q-learning with a network, a memory of moves and a target network (Mnih et al. 2015): an agent in a maze of 6 x 6 fields learns the shortest way
// to the goal from everywhere. The network acts after each step of training, in the same thread; the target's weights are copied from it now and then.
// Run: npm run -s build:ts && node dist/examples/dqn.js (a few seconds)
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { clip, loss, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { random } from './random.ts';

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
export function shortest(): number[] {
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

export interface DqnExample {
  readonly steps?: number;
  readonly seed?: number;
}
export interface DqnScores {
  /** Of all fields those from which the agent takes a shortest way. */
  readonly shortest: number;
  readonly fields: number;
  readonly millisecondsPerStep: number;
}

/** Train, print and give what is found. */
export function main({ steps = 6000, seed = 1 }: DqnExample = {}): DqnScores {
  const uniform = random(seed);
  const trainer = new Trainer({
    model: new Agent(),
    parameters: 'q.*',
    loss({ x, move, reward, next, goes }: Moves, agent) {
      const taken = ops.sum(ops.mul(agent.q.forward(x), ops.oneHot(move, { classes: MOVES.length })), { axes: [1] });
      const best = ops.max(agent.target.forward(next), { axes: [1] });
      return loss.huber(taken, ops.add(reward, ops.mul(ops.mul(best, goes), GAMMA)));
    },
    optimizer: optim.adam({ lr: optim.schedule.cosine(1e-2, { steps }) }),
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
  const ROOM = 5000;
  const BATCH = 32;
  const draw = <T>(list: readonly T[]): T => list[Math.floor(uniform() * list.length)]!;
  follow();
  let field = draw(FREE);
  let left = 40;
  const started = performance.now();
  for (let step = 0; step < steps; step++) {
    const explores = uniform() < Math.max(0.1, 1 - step / (0.5 * steps));
    const move = explores ? Math.floor(uniform() * MOVES.length) : best(field);
    const next = moved(field, move);
    memory[step % ROOM] = [field, move, next === GOAL ? 1 : 0, next, next === GOAL ? 0 : 1];
    field = next;
    if (field === GOAL || --left === 0) {
      field = draw(FREE);
      left = 40;
    }
    const batch = Array.from({ length: BATCH }, () => draw(memory));
    const column = (k: number): number[] => batch.map((moves) => moves[k]!);
    trainer.stepSync({
      x: Int32Array.from(column(0)),
      move: Int32Array.from(column(1)),
      reward: Float32Array.from(column(2)),
      next: Int32Array.from(column(3)),
      goes: Float32Array.from(column(4)),
    });
    if (step % 50 === 49) follow();
  }
  const millisecondsPerStep = (performance.now() - started) / steps;

  const far = shortest();
  const good = FREE.filter((from) => {
    let at = from;
    for (let k = 0; k < far[from]!; k++) at = moved(at, best(at));
    return at === GOAL;
  });
  console.log(`a shortest way from ${good.length} of ${FREE.length} fields, ${millisecondsPerStep.toFixed(3)} ms a step`);
  trainer.dispose();
  return { shortest: good.length, fields: FREE.length, millisecondsPerStep };
}

if (argv[1] === fileURLToPath(import.meta.url)) main();

// gcn.ts: a graph convolutional network (Kipf and Welling 2017) on the karate club of Zachary (1977): 34 members, 78 friendships, and a quarrel after which
// each follows the instructor or the officer. Only these two are labeled; the network finds whom the others follow.
// Run: npm run -s build:ts && node dist/examples/networks/gcn.js (a second)
import { loss, type NdArray, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { f32, i32, type MainOptions, type Network, type Step, start, train } from './network.ts';

/** The friends of each member that have a larger number. */
const FRIENDS: readonly (readonly number[])[] = [
  [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31],
  [2, 3, 7, 13, 17, 19, 21, 30],
  [3, 7, 8, 9, 13, 27, 28, 32],
  [7, 12, 13],
  [6, 10],
  [6, 10, 16],
  [16],
  [],
  [30, 32, 33],
  [33],
  [],
  [],
  [],
  [33],
  [32, 33],
  [32, 33],
  [],
  [],
  [32, 33],
  [33],
  [32, 33],
  [],
  [32, 33],
  [25, 27, 29, 32, 33],
  [25, 27, 31],
  [31],
  [29, 33],
  [33],
  [31, 33],
  [32, 33],
  [32, 33],
  [32, 33],
  [33],
  [],
];
const MEMBERS = FRIENDS.length;
/** Who followed the officer; the others followed the instructor. */
const OFFICER: readonly number[] = [9, 14, 15, 18, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33];
const FACTION = Int32Array.from({ length: MEMBERS }, (_, i) => Number(OFFICER.includes(i)));
const LABELED = Int32Array.of(0, 33);

/** Edges in both directions and from each member to itself, with the weights 1 / sqrt(degree * degree). */
const PAIRS = [
  ...FRIENDS.flatMap((friends, i) =>
    friends.flatMap((j) => [
      [i, j],
      [j, i],
    ]),
  ),
  ...FRIENDS.map((_, i) => [i, i]),
];
const DEGREES = FRIENDS.map((_, i) => PAIRS.filter(([from]) => from === i).length);
/** A batch is one graph: everything has one row. */
interface EdgeArrays {
  readonly from: NdArray<Int32Array>;
  readonly to: NdArray<Int32Array>;
  readonly weight: NdArray<Float32Array>;
}
const column = (k: number): NdArray<Int32Array> =>
  i32(
    Int32Array.from(PAIRS, (pair) => pair[k]!),
    1,
    PAIRS.length,
  );
const WEIGHTS = Float32Array.from(PAIRS, ([from, to]) => 1 / Math.sqrt(DEGREES[from!]! * DEGREES[to!]!));
const EDGES: EdgeArrays = { from: column(0), to: column(1), weight: f32(WEIGHTS, 1, PAIRS.length) };
type Edges = { readonly [name in keyof EdgeArrays]: Tensor };

/** Each member takes the weighted sum of what its neighbors have. */
function spread(x: Tensor, { from, to, weight }: Edges): Tensor {
  const sent = ops.mul(ops.gather(x, from), ops.expandDims(weight, 1));
  return ops.scatterAdd(sent, to, { rows: MEMBERS });
}

const ofGraph = ({ from, to, weight }: Edges): Edges => ({
  from: ops.squeeze(from, 0),
  to: ops.squeeze(to, 0),
  weight: ops.squeeze(weight, 0),
});

class GCN extends nn.Module {
  /** Members have no features but who they are: the first product is a row for each. */
  first: nn.Embedding = new nn.Embedding(MEMBERS, 16);
  second: nn.Linear = new nn.Linear(16, 2);

  /** Logits [members, 2]. */
  forward(members: Tensor, edges: Edges): Tensor {
    const hidden = ops.relu(spread(this.first.forward(members), edges));
    return spread(this.second.forward(hidden), edges);
  }
}

export function network({ seed = 1 }: Pick<MainOptions, 'seed'> = {}): Network {
  const model = new GCN();
  const trainer = new Trainer({
    model,
    loss: ({ members, labeled, y, ...edges }: Edges & { members: Tensor; labeled: Tensor; y: Tensor }, gcn) => {
      const logits = gcn.forward(ops.squeeze(members, 0), ofGraph(edges));
      return loss.crossEntropy(ops.gather(logits, ops.squeeze(labeled, 0)), ops.squeeze(y, 0));
    },
    predict: ({ members, ...edges }: Edges & { members: Tensor }, gcn) =>
      ops.expandDims(gcn.forward(ops.squeeze(members, 0), ofGraph(edges)), 0),
    optimizer: optim.adam({ lr: 0.01, weightDecay: 5e-4 }),
    seed,
  });
  const members = i32(
    Array.from({ length: MEMBERS }, (_, i) => i),
    1,
    MEMBERS,
  );
  const batch = { members, ...EDGES, labeled: i32(LABELED, 1, 2), y: i32([0, 1], 1, 2) };
  return {
    model,
    *steps(count): Generator<Step> {
      for (let i = 0; i < count; i++) yield { batch, loss: trainer.stepSync(batch).loss };
    },
    score() {
      const { data } = trainer.predictSync({ members, ...EDGES });
      const others = [...FACTION.keys()].filter((i) => !LABELED.includes(i));
      const right = others.filter((i) => Number(data[2 * i + 1]! > data[2 * i]!) === FACTION[i]);
      return { right: right.length, of: others.length };
    },
    dispose: () => trainer.dispose(),
  };
}

export const main = ({ steps = 200, seed = 1 }: MainOptions = {}): Readonly<Record<string, number>> =>
  train(network({ seed }), steps);
start(import.meta.url, main);

// rank.ts: one of the processes that ranks.ts starts: it does what it is asked for together with the others, and process 0 answers.
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { Stepper } from '../../lib/cli/bench/stepper.ts';
import * as clip from '../../lib/clip/index.ts';
import type { Tensor } from '../../lib/ir/graph.ts';
import { init } from '../../lib/mpi/index.ts';
import { Module, Parameter } from '../../lib/nn/index.ts';
import { mse } from '../../lib/nn/loss/index.ts';
import { add, mean } from '../../lib/ops/index.ts';
import type { Batch } from '../../lib/train/feed/source.ts';
import { fillParameters, floats, loadWorkload } from '../workload.ts';
import type { Asked } from './ranks.ts';

/** Nothing but numbers whose gradients travel. */
class Numbers extends Module {
  readonly all: Parameter;
  constructor(n: number) {
    super();
    this.all = new Parameter([n]);
  }
  forward(x: Tensor): Tensor {
    return add(x, mean(this.all));
  }
}

const group = await init();
const [, , path = '', threads = '1'] = process.argv;
let stepper: Stepper | undefined;

async function open(cell: string, among: { readonly shards: number; readonly shardOptimizer?: boolean }): Promise<object> {
  stepper?.dispose();
  const { model: make, bounds, batch, loss, optimizer } = await loadWorkload(cell);
  const model = make();
  fillParameters(model, bounds);
  const task = { model, batch: batch(), loss, optimizer, among: { group, ...among } };
  stepper = new Stepper(task, clip.globalNorm(1), Number(threads));
  return { params: stepper.params, ...(await stepper.first(3)) };
}

/** Milliseconds that a step's sums over processes take, of so many gradients. */
async function exchange(elements: number, steps: number): Promise<number> {
  stepper?.dispose();
  const shards = group.size;
  const model = new Numbers(elements);
  const batch = { x: floats(1, shards, 1), y: floats(2, shards, 1) };
  const objective = ({ x, y }: Batch): Tensor => mse(model.forward(x), y);
  const task = { model, batch, loss: objective, optimizer: 'sgd', among: { group, shards } } as const;
  stepper = new Stepper(task, clip.globalNorm(1), Number(threads));
  await stepper.first(3);
  const [sums] = await times(steps);
  return sums;
}

/** Milliseconds of a step in its sums over processes, and in all else. */
async function times(steps: number): Promise<readonly [sums: number, rest: number]> {
  const { instrs, ms } = await stepper!.profiled(steps, true);
  const sums = instrs.reduce((sum, { kernel, ms }) => sum + (kernel.startsWith('sync') ? ms : 0), 0);
  return [sums, ms - sums];
}

const socket = createConnection(path);
const say = (answer: unknown): boolean => group.rank > 0 || socket.write(`${JSON.stringify(answer)}\n`);
socket.write(`${JSON.stringify({ rank: group.rank, size: group.size, library: group.library })}\n`);
for await (const line of createInterface({ input: socket })) {
  const asked = JSON.parse(line) as Asked;
  if ('open' in asked) {
    const { open: cell, ...among } = asked;
    say(await open(cell, among));
  } else if ('own' in asked) say((await times(asked.own))[1]);
  else if ('exchange' in asked) say(await exchange(asked.exchange, asked.steps));
  else say(await stepper!.counted(asked.steps));
}

// guarded.ts: trainings of a group that guards watch, and what each process has of them. mpirun -n N node guarded.js NAME,... FOLDER: says hashes.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { guard, nn, optim, type Tensor } from '../../lib/index.ts';
import { type Any, folder, group, hash, labels, make, name, plain, report, rows, say } from './together.ts';

class Watched extends nn.Module {
  first: nn.Linear;
  relu = new nn.ReLU();
  second: nn.Linear;
  /** @param width from 180 on the gradient of one weight is large enough to be added in parts, where updates are shared out */
  constructor(width = 16) {
    super();
    this.first = new nn.Linear(6, width);
    this.second = new nn.Linear(width, width === 16 ? 4 : 120);
  }
  forward(x: Tensor): Tensor {
    return this.second.forward(this.relu.forward(this.first.forward(x)));
  }
}

/** One row is far from all others, and a micro-batch of one process alone has it: each guard finds something, and one leaves steps out. */
function watched(options: object = {}): readonly [trainer: Any, data: Any] {
  const x = rows(37, 6);
  for (let i = 0; i < 6; i++) x.data[20 * 6 + i] = 40 * (i - 2);
  const guards = [
    guard.outputs({ match: 'second', max: 8, action: 'skip' }),
    guard.outputs({ match: 'relu', max: 20, action: 'warn' }),
    guard.dead({ match: 'relu', share: 0.01, action: 'warn' }),
    guard.loss({ max: 1.2, action: 'warn' }),
    guard.finite({ action: 'warn' }),
    guard.exploding({ max: 0.4, action: 'warn' }),
    guard.vanishing({ floor: 0.5, action: 'warn' }),
  ];
  return [make({ model: new Watched(), guards, ...options }), { ...plain, x }];
}

/** A batch of each epoch brings weights to where their outputs are too large, and they go back. */
function rollsBack(options: object = {}): readonly [trainer: Any, data: Any] {
  const [, data] = watched();
  const guards = [guard.outputs({ match: 'second', max: 8, action: 'rollback' })];
  const rules = { guards, rollback: { every: 2, limit: 9 }, optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }), ...options };
  return [make({ model: new Watched(), ...rules }), data];
}

const SCENARIOS: Readonly<Record<string, (file: string) => Promise<object | null>>> = {
  async watched(file) {
    const [trainer, data] = watched();
    const heard: unknown[] = [];
    const result = await trainer.fit(data, { epochs: 3, onGuard: (event: unknown) => void heard.push(event) });
    await trainer.save(file);
    return { events: result.guards, heard, skipped: result.skipped };
  },
  /** What guards see of gradients that are whole in no process. */
  async shared(file) {
    const seen: unknown[] = [];
    for (const shardOptimizer of [false, true]) {
      const [trainer, data] = watched({ model: new Watched(180), shardOptimizer });
      const { guards } = await trainer.fit(data, { epochs: 2 });
      await trainer.save(file);
      seen.push({ guards, hash: hash(true, file) });
    }
    return { seen };
  },
  async rollsBack(file) {
    const [trainer, data] = rollsBack();
    const result = await trainer.fit(data, { epochs: 3 });
    await trainer.save(file);
    return { events: result.guards, tried: result.tried, step: trainer.counters.step };
  },
  /** The same, ended after a roll-back, and gone on with in another trainer by what its checkpoint has. */
  async rollsBackBegin(file) {
    const [trainer, data] = rollsBack();
    await trainer.fit(data, { epochs: 3, steps: 5 });
    await trainer.save(file);
    return null;
  },
  async rollsBackOn(file) {
    const [trainer, data] = rollsBack();
    await trainer.fit(data, { epochs: 3, resume: join(folder, 'rollsBackBegin.safetensors') });
    await trainer.save(file);
    return null;
  },
  /** Once more than they may. */
  async rollsBackTooOften(file) {
    const [trainer, data] = rollsBack({ rollback: { every: 2, limit: 1 } });
    const error = await trainer.fit(data, { epochs: 9 }).catch((e: Any) => e);
    await trainer.save(file);
    return { name: error.name, message: error.message, details: error.details, counters: trainer.counters };
  },
  /** In one process alone the row is too far. */
  async stops(file) {
    const [trainer, data] = watched({ guards: [guard.outputs({ match: 'second', max: 8 })] });
    const error = await trainer.fit(data, { epochs: 9 }).catch((e: Any) => e);
    await trainer.save(file);
    return { name: error.name, message: error.message, details: error.details, counters: trainer.counters };
  },
  /** Data of their own: process 1 has the row, and rolls all of them back. */
  async ownData(file) {
    const [trainer] = rollsBack({ batchSize: 8 * group.size, shards: group.size });
    // Process 1 has a step more: a step that was undone is none of those that all have.
    const own = rows(24 + 8 * group.rank, 6);
    if (group.rank === 1) own.data.fill(400, 6 * 10, 6 * 11);
    const data = { x: own, y: labels(24 + 8 * group.rank, 4) };
    const { tried, guards } = await trainer.fit(data, { sharded: true, shuffle: false, epochs: 2 });
    await trainer.save(file);
    return { tried, step: trainer.counters.step, events: guards };
  },
  /** Threads by default. */
  async seats() {
    return { threads: group.threads };
  },
  /** What must be alike, and what cannot be. */
  async refused() {
    const errors: string[] = [];
    try {
      rollsBack({ shardOptimizer: true });
    } catch (e) {
      errors.push((e as Error).message);
    }
    const [trainer, data] = rollsBack({ rollback: { every: 2 + group.rank } });
    await trainer.fit(data, { epochs: 1 }).catch((e: Error) => errors.push(e.message));
    return { errors };
  },
};

// All of them in one start of the processes.
const reports: Record<string, unknown> = {};
const hashes: Record<string, string> = {};
for (const each of name.split(',')) {
  const to = join(folder, `${each}.safetensors`);
  reports[each] = await SCENARIOS[each]!(to);
  await group.barrier();
  if (group.rank === 0 && existsSync(to)) hashes[each] = hash(false, to);
}
report(reports);
await group.barrier();
if (group.rank === 0) say(hashes);

// brief.test.ts: awaited runs that are done at once, since they take less time than to hand them over: never before another run, never without turns for
// the event loop, and with the bits of those that are handed over.
import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import { compile } from '../../lib/compile/compile.ts';
import { Graph } from '../../lib/ir/graph.ts';
import type { RunRequest } from '../../lib/native/addon.ts';
import { isBrief } from '../../lib/native/brief.ts';
import { allocate, type BoundProgram, CompiledProgram, target } from '../../lib/native/program.ts';
import { add, matmul } from '../../lib/ops/index.ts';
import { bits, classifier, points } from '../train/models.ts';

/** A program that adds a product of n x n to a state. */
function adding(n: number): { bound: BoundProgram; state: () => number } {
  const graph = new Graph();
  const state = { name: 's', type: { dtype: 'f32', shape: [n, n] } } as const;
  const s = graph.state(state);
  graph.assign(state, add(s, matmul(s, s)));
  const program = compile(graph, target());
  const blocks = program.blocks.map(({ bytes }) => allocate(Math.max(1, bytes)));
  const first = new Float32Array(n * n);
  first[0] = 1;
  blocks[0]!.write(0, first);
  const read = (): number => {
    const out = new Float32Array(1);
    blocks[0]!.read(0, out);
    return out[0]!;
  };
  return { bound: new CompiledProgram(program).bind(blocks), state: read };
}
const request = (steps: number): RunRequest => ({
  ...{ steps, micros: 1, seed: 0n, attempt: 0, stepCount: 0, skips: 0, maxSkips: 0, threads: 1 },
});

// Since then nothing has kept the event loop from its turn.
beforeEach(() => turn());

test('one that is brief is done when the call returns, one that is not is not, nor where that was not allowed', async () => {
  const [small, large] = [adding(2), adding(64)];
  const runs = [small.bound.run(request(1), true)];
  expect(small.state()).toBe(2);
  runs.push(large.bound.run(request(100), true));
  expect(() => large.bound.unbind()).toThrow('a run of the binding is queued or running');
  await Promise.all(runs);
  const waits = small.bound.run(request(1));
  expect(() => small.bound.unbind()).toThrow('a run of the binding is queued or running');
  await waits;
  expect(small.state()).toBe(6);
});

test('it waits for a run that is on', async () => {
  const [small, large] = [adding(2), adding(64)];
  const order: string[] = [];
  const before = large.bound.run(request(1e6), true).then(() => order.push('large'));
  const after = small.bound.run(request(1), true).then(() => order.push('small'));
  expect(() => small.bound.unbind()).toThrow('a run of the binding is queued or running');
  large.bound.stop();
  await Promise.all([before, after]);
  expect(order).toEqual(['large', 'small']);
  expect(small.state()).toBe(2);
});

test('what it is done at once for is little work, by instructions, flops and bytes', () => {
  const program = adding(2).bound.program;
  expect(isBrief(program, 1, 1)).toBe(true);
  expect(isBrief(program, 1000, 1)).toBe(false);
  expect(isBrief(program, 1, 1000)).toBe(false);
  expect(isBrief({ ...program, flops: 1e6 }, 1, 1)).toBe(false);
  expect(isBrief({ ...program, bytes: 1e6 }, 1, 1)).toBe(false);
});

test('the event loop has its turns meanwhile', async () => {
  const { bound } = adding(2);
  let turns = 0;
  let on = true;
  const count = (): void => {
    turns++;
    if (on) setImmediate(count);
  };
  setImmediate(count);
  // Without an end of its own: it ends when others have had their turn.
  for (let k = 0; turns < 5; k++) await bound.run({ ...request(1), attempt: k }, true);
  on = false;
  expect(turns).toBeGreaterThanOrEqual(5);
});

test('a fit in steps of one has the bits of one in chunks, and a timer ends it', async () => {
  const [whole, single, ended] = [classifier(), classifier(), classifier()];
  const data = points(40);
  await whole.fit(data, { steps: 30 });
  await single.fit(data, { steps: 30, chunkSteps: 1 });
  expect(await bits(single)).toBe(await bits(whole));
  const run = ended.fit(data, { steps: 1e9, chunkSteps: 1 });
  setTimeout(() => run.stop(), 1);
  expect((await run).stopReason).toBe('stopped');
});

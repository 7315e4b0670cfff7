// sizing.test.ts: a team that shrinks while somebody wants its cores, and grows again; and steps whose team changes under them.
import { describe, expect, test } from 'vitest';
import type { Program } from '../../lib/compile/program.ts';
import { addon, type NativeBlock } from '../../lib/native/addon.ts';
import { AT } from '../../lib/native/numbers.ts';
import { allocate, encode, STATUS } from '../../lib/native/program.ts';
import { threadsFor } from '../../lib/native/threads.ts';
import { add, block, copy, feed, gather, numbersOf, program } from './kit.ts';

test('a program is worth a team by its flops or by its bytes', () => {
  const threads = (flops: number, bytes: number): number => threadsFor({ flops, bytes } as Program, 3);
  expect([threads(1e6, 1e6), threads(2e6, 0), threads(0, 2e6)]).toEqual([1, 3, 3]);
});

const MS = 1e6;

test('fewer threads are tried where they waited long twice in a row, and kept where a step takes less than 95 %', () => {
  const sizing = new (addon().Sizing)();
  let now = 0;
  /** 100 steps of `ms` each, on the threads that are wanted; each slept for this share of the time. @returns the threads wanted next */
  const play = (ms: number, asleep: number): number => {
    const size = sizing.size(4);
    now += 100 * ms * MS;
    sizing.took(size, 100, 100 * ms * MS, asleep * 100 * ms * MS * (size - 1), now);
    return sizing.size(4);
  };
  expect([play(1, 0.5), play(1, 0), play(1, 0.5), play(1, 0.5)]).toEqual([4, 4, 4, 3]);
  // Hardly faster: back again, and no trial for some time.
  expect([play(0.97, 0), play(1, 0.5), play(1, 0.5)]).toEqual([4, 4, 4]);
});

/** Plays `ms` of training in runs of some steps. `step(size)` is the time of a step and the share of it that threads sleep, each. */
class Machine {
  readonly sizing = new (addon().Sizing)();
  readonly most: number;
  now = 0;
  constructor(most: number) {
    this.most = most;
  }
  play(ms: number, step: (size: number) => { ms: number; asleep: number }): Map<number, number> {
    const time = new Map<number, number>();
    for (const end = this.now + ms * MS; this.now < end; ) {
      const size = this.sizing.size(this.most);
      const { ms: each, asleep } = step(size);
      const steps = Math.max(1, Math.round(2 / each));
      const ns = Math.round(steps * each * MS);
      this.now += ns;
      this.sizing.took(size, steps, ns, Math.round(ns * asleep * (size - 1)), this.now);
      time.set(size, (time.get(size) ?? 0) + ns / MS);
    }
    return time;
  }
}
const alone = (size: number) => ({ ms: 1 / size, asleep: 0.01 });
/** Of `cpus` cores, one is shared with a neighbor: who sits on it takes twice as long. */
const shared = (cpus: number) => (size: number) => (size < cpus ? alone(size) : { ms: 2.2 / size, asleep: 0.5 });

describe('how many threads a program gets', () => {
  test('all of them, while none waits long', () => {
    expect([...new Machine(4).play(20_000, alone)]).toEqual([[4, expect.any(Number)]]);
  });
  test('one less while a neighbor has a core: soon, and nearly always', () => {
    for (const most of [2, 4]) {
      const machine = new Machine(most);
      machine.play(1000, alone);
      expect(machine.play(50, shared(most)).get(most)).toBeLessThan(35);
      expect(machine.sizing.size(most)).toBe(most - 1);
      machine.play(10_000, shared(most));
      const time = machine.play(60_000, shared(most));
      expect(time.get(most)! / 60_000).toBeLessThan(0.01);
    }
  });
  test('several less with several neighbors', () => {
    const machine = new Machine(8);
    const three = (size: number) => (size <= 5 ? alone(size) : { ms: 2.2 / size, asleep: 0.5 });
    machine.play(5000, three);
    expect(machine.play(10_000, three).get(5)).toBeGreaterThan(9500);
  });
  test('all of them again when the neighbor has gone', () => {
    const machine = new Machine(2);
    machine.play(30_000, shared(2));
    machine.play(3500, alone);
    expect(machine.sizing.size(2)).toBe(2);
    expect(machine.play(10_000, alone).get(1)).toBeUndefined();
  });
  test('all of them where they wait for other reasons', () => {
    const uneven = (size: number) => ({ ms: size === 2 ? 0.8 : 1, asleep: 0.4 });
    const machine = new Machine(2);
    machine.play(10_000, uneven);
    expect(machine.play(60_000, uneven).get(1)! / 60_000).toBeLessThan(0.01);
  });
  test('trials of a model whose step is long are rare', () => {
    const machine = new Machine(2);
    const time = machine.play(600_000, (size) => ({ ms: 400 / size, asleep: 0.2 }));
    expect(time.get(1)! / 600_000).toBeLessThan(0.04);
  });
  test('a count of its own for each number there are', () => {
    const { sizing } = new Machine(2);
    expect([2, 3, 1, 64].map((most) => sizing.size(most))).toEqual([2, 3, 1, 64]);
  });
});

describe('a team that changes from step to step', () => {
  const bytes = 1 << 16;
  const steps = 60;
  const sizes = [4, 1, 3, 3, 2, 4, 9, 0, 1, 1, 4];
  /** Block 0 grows by block 1 each step and micro-batch. */
  const grow = program([add(block(0, 0, bytes), block(0, 0, bytes), block(1, 0, bytes))]);
  const ones = (): NativeBlock => {
    const b = allocate(bytes);
    b.write(0, new Float32Array(bytes / 4).fill(1));
    return b;
  };
  const numbers = (over: { micros?: number; threads?: number } = {}): Float64Array => numbersOf({ steps, threads: 4, ...over });
  const sized = (): [ReturnType<InstanceType<ReturnType<typeof addon>['Program']>['bind']>, NativeBlock] => {
    const sum = allocate(bytes);
    const binding = new (addon().Program)(encode(grow)).bind([sum, ones()]);
    binding.sizeSteps(Int32Array.from(sizes));
    return [binding, sum];
  };
  const sumOf = (b: NativeBlock): Set<number> => {
    const out = new Float32Array(bytes / 4);
    b.read(0, out);
    return new Set(out);
  };

  test('computes the same, synchronously and not, and with micro-batches', async () => {
    const [binding, sum] = sized();
    const n = numbers();
    binding.runSync(n, 1n);
    expect(sumOf(sum)).toEqual(new Set([steps]));
    expect(n[AT.threads]).toBe(4);
    await binding.run(numbers(), 1n);
    await binding.run(numbers({ micros: 3 }), 1n);
    expect(sumOf(sum)).toEqual(new Set([5 * steps]));
  });
  test('ends everywhere: after a step, after an error, when stopped', async () => {
    const rows = 8;
    const row = allocate(rows * 4);
    const table = allocate(64 * 4);
    const out = block(0, 0, rows * 4);
    const p = program([
      gather(out, block(1, 0, 256), feed(0, rows * 4)),
      copy(block(2, 0, bytes), block(3, 0, bytes)),
      copy(block(3, 0, bytes), block(2, 0, bytes)),
    ]);
    for (let bad = 0; bad < 12; bad++) {
      const binding = new (addon().Program)(encode(p)).bind([row, table, allocate(bytes), allocate(bytes)]);
      binding.sizeSteps(Int32Array.from(sizes));
      const indices = new Int32Array(steps * rows);
      indices[bad * rows + 3] = 64;
      const n = numbers();
      binding.runSync(n, 1n, indices);
      expect([n[AT.status], n[AT.tried]]).toEqual([1, bad]);
      const [endless] = sized();
      const long = numbers();
      long[AT.steps] = 1e9;
      const run = endless.run(long, 1n);
      endless.stop();
      await run;
      expect(long[AT.status]).toBe(STATUS.stopped);
    }
  });
});

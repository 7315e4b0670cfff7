// apart.test.ts: runs that wait for none of the others: on which blocks they may be, that nothing of the others holds them up, and blocks that are changed
// between two of them; copies between blocks; runs that end early.
import { expect, test } from 'vitest';
import { BusyError, DisposedError, OptionError } from '../../lib/errors.ts';
import type { RunResult } from '../../lib/native/addon.ts';
import { CompiledProgram, STATUS } from '../../lib/native/program.ts';
import { add, arena, block, contents, copy, feed, floats, program, report, request, rowsOf, slow } from './kit.ts';

const first = (r: RunResult): number => new Float32Array(r.report)[0]!;

// Reports block 0 plus the feed row.
const plus = program([add(arena(0, 4), block(0, 0, 4), feed(0, 4)), copy(report(0, 4), arena(0, 4))], {
  blocks: [{ name: 'values', bytes: 4, writes: false }],
});
// Adds the feed row to block 0.
const writing = program([add(block(0, 0, 4), block(0, 0, 4), feed(0, 4))]);

test('a run that is apart waits for none that is not', async () => {
  const long = slow(1 << 22);
  const endless = new CompiledProgram(long.program).bind(long.blocks);
  const apart = new CompiledProgram(plus).bind([floats(40)], undefined, true);
  const running = endless.run(request({ steps: 1_000_000, threads: 2 }));
  for (const k of [1, 2, 3]) {
    expect(first(apart.runSync(request({ feed: rowsOf(k), threads: 5 })))).toBe(40 + k);
    const both = [apart.run(request({ feed: rowsOf(10) })), apart.run(request({ feed: rowsOf(20), steps: 1 }))];
    // Its own are before it.
    expect(first(apart.runSync(request({ feed: rowsOf(30) })))).toBe(70);
    const results = await Promise.all(both);
    expect(results.map(first)).toEqual([50, 60]);
    expect(results[0]).toMatchObject({ status: STATUS.ok, threads: 1, tried: 1 });
  }
  endless.stop();
  const { status, tried } = await running;
  expect(status).toBe(STATUS.stopped);
  expect(tried).toBeLessThan(1_000_000);
});

test('only on blocks that it does not write to, and that nobody does', async () => {
  const bind = (of: typeof plus, blocks: Parameters<CompiledProgram['bind']>[0]): unknown =>
    new CompiledProgram(of).bind(blocks, undefined, true);
  expect(() => bind(writing, [floats(1)])).toThrow(OptionError);
  expect(() => bind(plus, [new Float32Array(1)])).toThrow(OptionError);
  const values = floats(1);
  const [apart, writer] = [
    new CompiledProgram(plus).bind([values], undefined, true),
    new CompiledProgram(writing).bind([values]),
  ];
  const written = writer.run(request({ feed: rowsOf(1) }));
  expect(() => apart.runSync(request({ feed: rowsOf(0) }))).toThrow(BusyError);
  await expect(apart.run(request({ feed: rowsOf(0) }))).rejects.toThrow(BusyError);
  await written;
  const read = apart.run(request({ feed: rowsOf(0) }));
  await expect(writer.run(request({ feed: rowsOf(1) }))).rejects.toThrow(BusyError);
  expect(() => writer.runSync(request({ feed: rowsOf(1) }))).toThrow(BusyError);
  expect(first(await read)).toBe(2);
  writer.runSync(request({ feed: rowsOf(1) }));
  expect(contents(values)).toEqual([3]);
});

test('goes on with other blocks between two runs', async () => {
  const bound = new CompiledProgram(plus).bind([floats(1)], undefined, true);
  expect(first(bound.runSync(request({ feed: rowsOf(1) })))).toBe(2);
  const running = bound.run(request({ feed: rowsOf(1) }));
  expect(() => bound.rebind([floats(5)])).toThrow(BusyError);
  await running;
  bound.rebind([floats(5)]);
  expect(first(bound.runSync(request({ feed: rowsOf(1) })))).toBe(6);
  expect(first(await bound.run(request({ feed: rowsOf(2) })))).toBe(7);
  expect(() => bound.rebind([])).toThrow('expected 1 blocks, got 0');
  expect(() => bound.rebind([new Float32Array(1) as never])).toThrow(OptionError);
  const gone = floats(3);
  gone.dispose();
  expect(() => bound.rebind([gone])).toThrow(DisposedError);
  expect(first(bound.runSync(request({ feed: rowsOf(1) })))).toBe(6);
  // One that writes, too.
  const [a, b] = [floats(10), floats(20)];
  const writer = new CompiledProgram(writing).bind([a]);
  writer.runSync(request({ feed: rowsOf(1) }));
  writer.rebind([b]);
  writer.runSync(request({ feed: rowsOf(1) }));
  expect([contents(a), contents(b)]).toEqual([[11], [21]]);
  bound.dispose();
  expect(() => bound.rebind([b])).toThrow(DisposedError);
});

test('blocks are copied between runs, from several at once', async () => {
  const [a, b, to] = [floats(1, 2, 3, 4), floats(5, 6), floats(0, 0, 0, 0)];
  // The last of a, both of b, nothing.
  const parts = Float64Array.of(0, 12, 0, 4, 1, 0, 4, 8, 0, 0, 16, 0);
  to.copySync([a, b], parts);
  expect(contents(to)).toEqual([4, 5, 6, 0]);
  const writer = new CompiledProgram(writing).bind([b]);
  const order = [writer.run(request({ feed: rowsOf(1) })), to.copy([a, b], parts), writer.run(request({ feed: rowsOf(1) }))];
  expect(() => to.copySync([a], Float64Array.of())).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }));
  expect(() => to.write(0, new Uint8Array(1))).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }));
  await Promise.all(order.map((p, i) => (i === 2 ? p.catch(() => {}) : p)));
  expect(contents(to)).toEqual([4, 6, 6, 0]);
  const running = writer.run(request({ feed: rowsOf(1) }));
  to.copySync([b], Float64Array.of(0, 0, 0, 4));
  expect(contents(to)).toEqual([7, 6, 6, 0]);
  await running;
  for (const wrong of [
    [0, 0, 0, 8],
    [0, 0, 12, 8],
    [1, 0, 0, 4],
    [0, -1, 0, 4],
    [0, 0.5, 0, 4],
    [0, 0, 0, Number.NaN],
    [0, 0, 0],
  ]) {
    expect(() => to.copySync([floats(1)], Float64Array.from(wrong))).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  }
  for (const wrong of [to, {}, null, 5]) {
    expect(() => to.copySync([wrong as never], Float64Array.of(0, 0, 0, 4))).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION' }),
    );
  }
  a.dispose();
  expect(() => to.copySync([a], Float64Array.of(0, 0, 0, 4))).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
  expect(contents(to)).toEqual([7, 6, 6, 0]);
});

test('a run that is asked to end early has a step of its own', async () => {
  const values = floats(0);
  const bound = new CompiledProgram(writing).bind([values]);
  const long = slow();
  const before = new CompiledProgram(long.program).bind(long.blocks);
  for (const end of ['endEarly', 'stop'] as const) {
    // It has not begun.
    const running = [before.run(request({ steps: 1_000_000 })), bound.run(request({ steps: 5, feed: rowsOf(1, 2, 3, 4, 5) }))];
    bound[end]();
    before.stop();
    const tried = end === 'stop' ? 0 : 1;
    expect(await running[1]).toMatchObject({ status: STATUS.stopped, tried, stepCount: tried });
    expect(contents(values)).toEqual([1]);
    await running[0];
  }
  // In the middle of it.
  const endless = before.run(request({ steps: 1_000_000 }));
  setTimeout(() => before.endEarly(), 10);
  const { status, tried, attempt } = await endless;
  expect(status).toBe(STATUS.stopped);
  expect(tried).toBeGreaterThan(0);
  expect(attempt).toBe(tried);
});

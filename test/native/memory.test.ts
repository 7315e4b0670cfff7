// memory.test.ts: who may touch which memory when: busy, disposed, detached, shared; order of queued work; wrong requests.
import { describe, expect, test } from 'vitest';
import { BusyError, DetachedError, DisposedError, OptionError } from '../../lib/errors.ts';
import { addon, type NativeBlock, type RunRequest } from '../../lib/native/addon.ts';
import { allocate, CompiledProgram, encode, STATUS, withOurErrors } from '../../lib/native/program.ts';
import { collect, detach } from '../kit.ts';
import { add, arena, block, contents, copy, feed, floats, numbersOf, program, report, request, slow } from './kit.ts';

const code = (f: () => unknown): string => {
  try {
    f();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'no error';
};

describe('blocks', () => {
  test('are zeroed, and copy bytes in and out', async () => {
    const b = allocate(16);
    expect(contents(b)).toEqual([0, 0, 0, 0]);
    b.write(4, new Float32Array([1, 2]));
    expect(contents(b)).toEqual([0, 1, 2, 0]);
    expect([...new Float32Array(await b.readAsync(4, 8))]).toEqual([1, 2]);
    expect((await b.readAsync(16, 0)).byteLength).toBe(0);
    expect(b.bytes).toBe(16);
  });

  test('refuse what lies outside', () => {
    const b = allocate(16);
    expect(() => withOurErrors(() => b.write(12, new Float32Array(2)))).toThrow('block.write: ends at 20, the block has 16');
    expect(() => withOurErrors(() => b.read(2 ** 53, new Float32Array(2)))).toThrow(OptionError);
    expect(code(() => b.read(-1, new Float32Array(1)))).toBe('ERR_OPTION');
    expect(code(() => b.readAsync(0, 17))).toBe('ERR_OPTION');
    expect(code(() => b.write(0, [1] as unknown as Float32Array))).toBe('ERR_OPTION');
    expect(code(() => allocate(-1))).toBe('ERR_OPTION');
    expect(code(() => allocate(1.5))).toBe('ERR_OPTION');
    expect(code(() => allocate(2 ** 50))).toBe('ERR_MEMORY');
  });

  test('are seen through views, which keep the memory and cannot take it away', async () => {
    const b = allocate(16);
    const [all, part] = [b.view(0, 16), b.view(4, 8)].map((x) => new Float32Array(x.buffer, x.byteOffset, x.length / 4)) as [
      Float32Array,
      Float32Array,
    ];
    all.set([1, 2, 3, 4]);
    expect([...part]).toEqual([2, 3]);
    b.write(4, new Float32Array([5]));
    expect([...all, ...part]).toEqual([1, 5, 3, 4, 5, 3]);
    // A SharedArrayBuffer cannot be detached.
    if (addon().externalBuffers) {
      detach(all.buffer);
      expect(all.length).toBe(0);
    }
    expect(contents(b)).toEqual([1, 5, 3, 4]);
    b.dispose();
    await collect();
    part[1] = 6;
    expect([...part]).toEqual([5, 6]);
    expect(code(() => b.view(0, 4))).toBe('ERR_DISPOSED');
    expect(code(() => allocate(8).view(0, 0))).toBe('ERR_OPTION');
    expect(code(() => allocate(8).view(4, 8))).toBe('ERR_OPTION');
  });

  test('count as memory of the process for as long as a view keeps them', async () => {
    const bytes = 8 << 20;
    const external = async (): Promise<number> => {
      await collect();
      return process.memoryUsage().external;
    };
    const before = await external();
    const b = allocate(bytes);
    const views = [b.view(0, bytes), b.view(0, bytes / 2)];
    b.dispose();
    // Less than is there, and what is taken off later goes below zero, where newer engines end the process.
    if (addon().externalBuffers) expect((await external()) - before).toBeGreaterThan(bytes - (1 << 20));
    views.length = 0;
    expect(Math.abs((await external()) - before)).toBeLessThan(1 << 20);
  });

  test('are gone after dispose', () => {
    const b = allocate(16);
    b.dispose();
    b.dispose();
    expect(code(() => b.write(0, new Uint8Array(1)))).toBe('ERR_DISPOSED');
    expect(code(() => b.readAsync(0, 1))).toBe('ERR_DISPOSED');
    expect(() => new CompiledProgram(slow(16).program).bind([b])).toThrow(DisposedError);
  });
});

describe('while a run is queued or running', () => {
  test('a second writer is busy, reading ones queue behind it', async () => {
    const { program: p, blocks } = slow();
    const [b] = blocks as [NativeBlock];
    const writer = new CompiledProgram(p).bind(blocks);
    const reader = new CompiledProgram(
      program([copy(report(0, 4), block(0, 0, 4))], { blocks: [{ name: 'w', bytes: 4, writes: false }] }),
    ).bind(blocks);
    const other = new CompiledProgram(p).bind(blocks);
    const running = writer.run(request({ steps: 200 }));
    await expect(other.run(request())).rejects.toBeInstanceOf(BusyError);
    expect(() => other.runSync(request())).toThrow(BusyError);
    expect(code(() => b.write(0, new Uint8Array(1)))).toBe('ERR_BUSY');
    expect(code(() => b.read(0, new Uint8Array(1)))).toBe('ERR_BUSY');
    const order: string[] = [];
    const all = [
      running.then(() => order.push('writer')),
      reader.run(request()).then(() => order.push('reader')),
      b.readAsync(0, 4).then(() => order.push('read')),
    ];
    expect(new Float32Array(reader.runSync(request({ threads: 2 })).report)).toHaveLength(2);
    await Promise.all(all);
    expect(order).toEqual(['writer', 'reader', 'read']);
    b.write(0, new Uint8Array(1));
    expect(other.runSync(request())).toMatchObject({ status: 0 });
  });

  test('a block that a run only reads may be read but not written', async () => {
    const bytes = 1 << 18;
    const data = allocate(bytes);
    const p = program([copy(arena(0, bytes), block(0, 0, bytes))], { blocks: [{ name: 'data', bytes, writes: false }] });
    const running = new CompiledProgram(p).bind([data]).run(request({ steps: 200 }));
    data.read(0, new Uint8Array(4));
    expect(code(() => data.write(0, new Uint8Array(4)))).toBe('ERR_BUSY');
    await running;
    data.write(0, new Uint8Array(4));
  });

  test('stop ends it after a step; later runs are not touched', async () => {
    const { program: p, blocks } = slow();
    const bound = new CompiledProgram(p).bind(blocks);
    const running = bound.run(request({ steps: 1e6, attempt: 5 }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    bound.stop();
    const r = await running;
    expect(r.status).toBe(STATUS.stopped);
    expect(r.tried).toBeLessThan(1e6);
    expect(r).toMatchObject({ attempt: 5 + r.tried, stepCount: r.tried });
    const at_once = bound.run(request({ steps: 10 }));
    bound.stop();
    expect((await at_once).status === STATUS.stopped || (await at_once).tried === 10).toBe(true);
    expect(await bound.run(request({ steps: 10 }))).toMatchObject({ status: 0, tried: 10 });
  });

  test('dispose frees afterwards', async () => {
    const { program: p, blocks } = slow();
    const [b] = blocks as [NativeBlock];
    const bound = new CompiledProgram(p).bind(blocks);
    const again = new CompiledProgram(p).bind(blocks);
    const running = bound.run(request({ steps: 100 }));
    const reading = b.readAsync(0, 4);
    b.dispose();
    bound.dispose();
    expect(() => bound.runSync(request())).toThrow(DisposedError);
    expect(await running).toMatchObject({ status: 0, tried: 100 });
    expect((await reading).byteLength).toBe(4);
    expect(() => again.runSync(request())).toThrow(DisposedError);
  });

  test('the event loop goes on', async () => {
    const { program: p, blocks } = slow();
    const bound = new CompiledProgram(p).bind(blocks);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const running = bound.run(request({ steps: 1e6, threads: 1 }));
    setTimeout(() => bound.stop(), 100);
    await running;
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
  });
});

describe("the caller's own arrays", () => {
  const bytes = 16;
  const p = program([add(block(0, 0, bytes), block(0, 0, bytes), block(1, 0, bytes))], {
    blocks: [
      { name: 'p', bytes, writes: true },
      { name: 'g', bytes, writes: false },
    ],
  });
  const compiled = new CompiledProgram(p);

  test('are changed in place by synchronous runs of any team', () => {
    const [w, g] = [new Float32Array([1, 2, 3, 4]), new Float32Array([1, 1, 1, 1])];
    const bound = compiled.bind([w, g]);
    bound.runSync(request());
    bound.runSync(request({ threads: 2 }));
    expect([...w]).toEqual([3, 4, 5, 6]);
  });

  test('may be views, and may be mixed with blocks', () => {
    const all = new Float32Array(12);
    const bound = compiled.bind([all.subarray(4, 8), floats(1, 2, 3, 4)]);
    bound.runSync(request());
    expect([...all]).toEqual([0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
  });

  test('do not run asynchronously', async () => {
    const bound = compiled.bind([new Float32Array(4), new Float32Array(4)]);
    await expect(bound.run(request())).rejects.toThrow(OptionError);
  });

  test('are checked for detachment at every run', () => {
    const [w, g] = [new Float32Array(4), new Float32Array(4)];
    const bound = compiled.bind([w, g]);
    bound.runSync(request());
    structuredClone(g.buffer, { transfer: [g.buffer] });
    expect(() => bound.runSync(request())).toThrow(DetachedError);
    expect(() => compiled.bind([w, g])).toThrow(DetachedError);
  });

  test('of WebAssembly memory that grew are detached', () => {
    // Node's types leave WebAssembly to the browser's.
    type Memory = { readonly buffer: ArrayBuffer; grow(pages: number): void };
    const { WebAssembly } = globalThis as unknown as { WebAssembly: { Memory: new (o: { initial: number }) => Memory } };
    const memory = new WebAssembly.Memory({ initial: 1 });
    const bound = compiled.bind([new Float32Array(memory.buffer, 0, 4), new Float32Array(4)]);
    bound.runSync(request());
    memory.grow(1);
    expect(() => bound.runSync(request())).toThrow(DetachedError);
  });

  test('on shared or resizable memory are refused', () => {
    const g = new Float32Array(4);
    expect(() => compiled.bind([new Float32Array(new SharedArrayBuffer(16)), g])).toThrow('neither shared nor resizable');
    const Resizable = ArrayBuffer as unknown as new (n: number, o: { maxByteLength: number }) => ArrayBuffer;
    expect(() => compiled.bind([new Float32Array(new Resizable(16, { maxByteLength: 32 })), g])).toThrow(OptionError);
    expect(() => compiled.bind([{} as Float32Array, g])).toThrow('bind: block 0: expected a typed array');
    expect(() => compiled.bind([new DataView(new ArrayBuffer(16)) as unknown as Float32Array, g])).toThrow(OptionError);
    expect(() => compiled.bind([new Uint8Array(new ArrayBuffer(32), 1, 16), g])).toThrow('expected memory aligned to 4 bytes');
  });

  test('must be large enough, and no two may overlap if one is written', () => {
    const a = new Float32Array(8);
    expect(() => compiled.bind([new Float32Array(3), a])).toThrow('bind: block 0: expected at least 16 bytes, got 12');
    expect(() => compiled.bind([a])).toThrow('bind: expected 2 blocks, got 1');
    expect(() => compiled.bind([a, a])).toThrow('overlaps another block');
    expect(() => compiled.bind([a.subarray(0, 5), a.subarray(4)])).toThrow('overlaps another block');
    expect(() => compiled.bind([a.subarray(3), a.subarray(0, 4)])).toThrow('overlaps another block');
    expect(() => compiled.bind([a.subarray(4), a.subarray(0, 4)])).not.toThrow();
    const b = allocate(16);
    expect(() => compiled.bind([b, b])).toThrow('overlaps another block');
  });
});

describe('wrong requests', () => {
  const bound = new CompiledProgram(program([copy(report(0, 4), feed(0, 4))])).bind([]);
  const one = new Float32Array(2);
  test.each<[Record<string, unknown>, string]>([
    [{ steps: 0 }, 'run: steps: expected a whole number of at least 1, got 0'],
    [{ steps: 1.5 }, 'got 1.5'],
    [{ micros: Number.NaN }, 'run: micros'],
    [{ steps: 2 ** 40 }, 'too many steps'],
    [{ threads: 0 }, 'run: threads'],
    [{ seed: 1 }, 'run: seed: expected a bigint'],
    [{ seed: -1n }, 'run: seed: expected a bigint'],
    [{ seed: 1n << 64n }, 'run: seed: expected a bigint'],
    [{ attempt: -1 }, 'run: attempt'],
    [{ micros: 2, part: { first: 1, end: 1 } }, 'run: first, end: expected a part of the micro-batches of one step'],
    [{ micros: 2, part: { first: 0, end: 3 } }, 'run: first, end'],
    [{ micros: 2, part: { first: -1, end: 1 } }, 'run: first: expected a whole number of at least 0, got -1'],
    [{ micros: 2, part: { first: 0, end: 0 } }, 'run: first, end'],
    [{ micros: 2, share: { base: 1, share: 2 } }, 'run: first, end'],
    [{ micros: 2, share: { base: 1, share: 1 }, part: { first: 0, end: 2 } }, 'run: first, end'],
    [{ micros: 2, share: { base: -1, share: 1 } }, 'run: first: expected a whole number of at least 0, got -1'],
    [{ micros: 2, share: { base: 0, share: 0.5 } }, 'run: end: expected a whole number of at least 0, got 0.5'],
    [{ micros: 2, steps: 2, part: { first: 0, end: 1 } }, 'run: first, end'],
    [{ micros: 2, part: { first: 0, end: 2 } }, 'run: feed: expected 16 bytes, got 8'],
    [{ stepCount: 'x' }, 'run: stepCount: expected a whole number of at least 0, got NaN'],
    [{ feed: undefined }, 'run: feed: expected a typed array'],
    [{ feed: new Float32Array(3) }, 'run: feed: expected 8 bytes, got 12'],
    [{ steps: 3 }, 'run: feed: expected 24 bytes, got 8'],
    [{ step: one }, 'run: step: expected 0 bytes, got 8'],
  ])('%o', (change, message) => {
    const r = { ...request({ feed: one }), ...change } as RunRequest;
    expect(() => bound.runSync(r)).toThrow(OptionError);
    expect(() => bound.runSync(r)).toThrow(message);
  });

  test('numbers that no BoundProgram gives', () => {
    const { program: p, blocks } = slow(64);
    const raw = new (addon().Program)(encode(p)).bind(blocks);
    const numbers = numbersOf();
    expect(raw.runSync(numbers, 0n).byteLength).toBe(0);
    expect(code(() => raw.runSync(numbers.subarray(1), 0n))).toBe('ERR_OPTION');
    expect(code(() => raw.runSync(new Float32Array(numbers.length) as unknown as Float64Array, 0n))).toBe('ERR_OPTION');
    expect(code(() => raw.runSync(undefined as unknown as Float64Array, 0n))).toBe('ERR_OPTION');
    expect(() => raw.runSync.call({} as never, numbers, 0n)).toThrow(TypeError);
    expect(() => new (raw.constructor as new () => typeof raw)().runSync(numbers, 0n)).toThrow('disposed');
  });

  test('more results than there is memory', () => {
    const big = program([copy(report(0, 4), arena(0, 4))], { report: { bytes: 2 ** 30, columns: [] } });
    expect(code(() => new CompiledProgram(big).bind([]).runSync(request({ steps: 2 ** 30 })))).toBe('ERR_MEMORY');
  });

  test('a shared array is copied, as any feed is', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(8));
    shared[0] = 3;
    const running = bound.run(request({ feed: shared }));
    shared[0] = 4;
    expect(new Float32Array((await running).report)[0]).toBe(3);
  });
});

test('what the add-on says of itself', () => {
  const { isas, isa, threads, kernels, maps } = addon();
  expect(isas).toContain('x86_64');
  expect(isas[0]).toBe(isa);
  expect(threads.count).toBeGreaterThan(0);
  expect(kernels).toContain('copy');
  expect(maps).toContainEqual({ name: 'add', arity: 2, ends: false, sloped: false });
});

// progress.test.ts: what is written of a run that goes on: a bar on a terminal of any width, lines elsewhere, at a pace that a clock of our own sets.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { callbacks, metrics, type Report } from '../../lib/index.ts';
import { percentDone, perSecond, progressLine, Recent, timeLeft } from '../../lib/text/progress.ts';
import { data, folder, make, validation } from './kit.ts';

/** A stream that keeps what it is given. */
function writing(more: { isTTY?: boolean; columns?: number } = {}) {
  const written: string[] = [];
  const stream = { ...more, write: (text: string) => void written.push(text) };
  return { stream, written, text: () => written.join('') };
}

/** Time goes by where a test says so. */
function clock(): { tick(ms: number): void } {
  let now = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  return {
    tick(ms) {
      now += ms;
    },
  };
}
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});
const CLEAR = '\r\x1b[2K';

describe('in a file or pipe', () => {
  it.each(['fit', 'fitSync'] as const)('%s: lines at the pace that is asked for, and one at the end', async (how) => {
    const { stream, written } = writing();
    const time = clock();
    const losses: number[] = [];
    const slow = {
      onSteps(steps: Iterable<Report>) {
        losses.push(...Array.from(steps, ({ loss }) => loss));
        time.tick(2000);
      },
    };
    using trainer = make();
    await trainer[how](data, { steps: 10, chunkSteps: 1, callbacks: [slow, callbacks.progress({ stream, seconds: 6 })] });
    expect(written).toHaveLength(4);
    const mean = losses.slice(0, 3).reduce((a, b) => 0.95 * a + 0.05 * b);
    expect(written[0]).toBe(`step 3 of 10, epoch 1, loss ${mean.toPrecision(3)}, 0.500 steps/s, 4.00 rows/s, 14.0 s left\n`);
    expect(written[1]).toMatch(/^step 6 of 10, .*, 8\.0 s left\n$/);
    expect(written[3]).toMatch(/^done: 10 steps in 20\.0 s, loss 0\.\d+, \d+\.\d % clipped, 0 skipped\n$/);
    for (const control of ['\x1b', '\r']) expect(written.join('')).not.toContain(control);
  });

  it('with epochs, a validation, a label, and control characters in neither', async () => {
    const { stream, written } = writing();
    const time = clock();
    const slow = { onSteps: () => time.tick(1000), onEpoch: () => time.tick(1000) };
    using trainer = make<string>({ metrics: { 'a\x1b[2J': ({ x, y }, model) => metrics.accuracy(model.forward(x), y) } });
    const progress = callbacks.progress({ stream, seconds: 4, label: 'b\x1bc' });
    await trainer.fit(data, { epochs: 2, validation, chunkSteps: 7, callbacks: [slow, progress] });
    expect(written).toHaveLength(1);
    expect(written[0]).toMatch(/^b\\x1bc: done: 14 steps in 4\.0 s, loss \S+, validation loss \S+, a\\x1b\[2J \S+, /);
    expect(written[0]).not.toContain('\x1b');
  });

  it('of a stream of batches, whose length nobody knows, and of a time', async () => {
    const { stream, written } = writing();
    const time = clock();
    const slow = { onSteps: () => time.tick(1000) };
    function* endless(): Generator<typeof data> {
      for (let i = 0; i < 4; i++) yield data;
    }
    using trainer = make();
    const progress = callbacks.progress({ stream, seconds: 2 });
    await trainer.fit(endless(), { epochs: 5, chunkSteps: 1, callbacks: [slow, progress] });
    expect(written[0]).toMatch(/^step 2, epoch 1, loss \S+, 1\.00 steps\/s, 56\.0 rows\/s\n$/);
    expect(written.at(-1)).toMatch(/^end of the data: 4 steps in 4\.0 s/);
    written.length = 0;
    await trainer.fit(data, { seconds: 10, chunkSteps: 1, callbacks: [slow, progress] });
    expect(written[0]).toMatch(/^step 2, epoch \d+, loss \S+, 1\.00 steps\/s, 8\.00 rows\/s, 8\.0 s left\n$/);
    expect(written.at(-1)).toMatch(/^time over: 10 steps in 10\.0 s/);
  });

  it('of a run that ends with an error', async () => {
    const { stream, text } = writing();
    using trainer = make();
    const fail = { onSteps: () => Promise.reject(new RangeError('mine')) };
    await expect(trainer.fit(data, { steps: 3, callbacks: [callbacks.progress({ stream }), fail] })).rejects.toThrow('mine');
    expect(text()).toMatch(/^ended by RangeError: \d steps? in .*\n$/);
  });

  it('process.stderr is where it is written else, as it is when the run begins', async () => {
    const progress = callbacks.progress();
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    using trainer = make();
    await trainer.fit(data, { steps: 2, callbacks: [progress] });
    expect(write.mock.calls.map(([text]) => text)).toEqual([expect.stringMatching(/done: 2 steps in/)]);
  });
});

describe('on a terminal', () => {
  it('a bar that is drawn again in place, ten times a second at most, and lines of epochs above it', async () => {
    vi.stubEnv('NO_COLOR', '1');
    vi.stubEnv('TERM', 'xterm');
    const { stream, written } = writing({ isTTY: true, columns: 100 });
    const time = clock();
    const slow = { onSteps: () => time.tick(40), onEpoch: () => time.tick(900) };
    using trainer = make();
    await trainer.fit(data, { epochs: 4, chunkSteps: 1, validation, callbacks: [slow, callbacks.progress({ stream })] });
    const bars = written.filter((text) => text.includes('━'));
    // Of 28 steps, each 40 ms: every third, and after the line of an epoch.
    expect(bars.length).toBeLessThan(18);
    for (const bar of bars) {
      expect(bar.startsWith(CLEAR)).toBe(true);
      expect(bar).not.toContain('\n');
      expect(bar.length - CLEAR.length).toBeLessThanOrEqual(99);
    }
    expect(bars.at(-1)).toMatch(/━{39} {1,3}\d+ % {2}loss \S+ {2}\S+ steps\/s {2}.* left/);
    const lines = written.filter((text) => text.endsWith('\n'));
    expect(lines.map((text) => text.replace(CLEAR, ''))).toEqual([
      expect.stringMatching(/^epoch 1\/4 {2}loss \S+ {2}validation loss \S+ {2}clipped \d+ %\n$/),
      expect.stringMatching(/^epoch 2\/4 /),
      expect.stringMatching(/^epoch 3\/4 /),
      expect.stringMatching(/^epoch 4\/4 /),
      expect.stringMatching(/^done: 28 steps in /),
    ]);
    // The bar is gone before anything else is written, and at the end.
    expect(lines.every((text) => text.startsWith(CLEAR))).toBe(true);
    expect(written.at(-1)).toBe(lines.at(-1));
  });

  it('in colors, where there are any, and with none of them without', async () => {
    vi.stubEnv('TERM', 'xterm');
    vi.stubEnv('FORCE_COLOR', undefined);
    const drawn = async (more: object): Promise<string> => {
      const { stream, text } = writing({ isTTY: true, columns: 120, ...more });
      using trainer = make();
      const time = clock();
      const slow = { onSteps: () => time.tick(100) };
      await trainer.fit(data, { steps: 3, chunkSteps: 1, callbacks: [slow, callbacks.progress({ stream })] });
      vi.restoreAllMocks();
      return text();
    };
    vi.stubEnv('NO_COLOR', '');
    expect(await drawn({})).toContain('\x1b[36m━');
    vi.stubEnv('NO_COLOR', '1');
    expect((await drawn({})).replaceAll(CLEAR, '')).not.toContain('\x1b');
    vi.stubEnv('TERM', 'dumb');
    expect(await drawn({})).toMatch(/^done: 3 steps/);
  });

  it('that is narrow: no line is wider', async () => {
    vi.stubEnv('NO_COLOR', '1');
    vi.stubEnv('TERM', 'xterm');
    for (const columns of [1, 12, 30, 59, 70, 71, 300, 0]) {
      const { stream, written } = writing({ isTTY: true, columns });
      const time = clock();
      const slow = { onSteps: () => time.tick(200) };
      using trainer = make();
      await trainer.fit(data, { epochs: 2, chunkSteps: 1, validation, callbacks: [slow, callbacks.progress({ stream })] });
      for (const text of written) {
        const line = text.replace(CLEAR, '').replace('\n', '');
        expect([...line].length, `${columns}: ${line}`).toBeLessThanOrEqual(columns || 80);
      }
      vi.restoreAllMocks();
    }
  });

  it('of a run that goes on: begins where it was', async () => {
    vi.stubEnv('NO_COLOR', '1');
    vi.stubEnv('TERM', 'xterm');
    const { stream, written } = writing({ isTTY: true, columns: 100 });
    const file = `${folder()}/c.safetensors`;
    using first = make();
    const stop = { onEpoch: (_: unknown, run: { stop(): void }) => run.stop() };
    await first.fit(data, { epochs: 2, checkpoint: file, callbacks: [stop] });
    const time = clock();
    const slow = { onSteps: () => time.tick(100) };
    using second = make();
    const options = { epochs: 2, chunkSteps: 1, checkpoint: file, resume: file };
    await second.fit(data, { ...options, callbacks: [slow, callbacks.progress({ stream })] });
    const bars = written.filter((text) => text.includes('━'));
    expect(bars[0]).toMatch(/ 57 % .* 600 ms left/);
  });
});

describe('the line', () => {
  const plain = (_: string, text: string): string => text;

  it('words that do not fit are left out from the end, the first is cut', () => {
    expect(progressLine(0.5, ['one', 'two', 'three'], 80, plain)).toBe(`${'━'.repeat(20)} one  two  three`);
    expect(progressLine(0.5, ['one', 'two', 'three'], 9, plain)).toBe('one  two');
    expect(progressLine(null, ['one', 'two'], 80, plain)).toBe('one  two');
    expect(progressLine(1, ['one'], 2, plain)).toBe('on');
    const half = progressLine(0.25, ['x'], 100, (style, text) => `<${style}>${text}`);
    expect(half).toBe(`<cyan>${'━'.repeat(10)}<dim>${'━'.repeat(30)} x`);
  });

  it('numbers', () => {
    expect([0, 0.999, 1].map(percentDone)).toEqual(['  0 %', ' 99 %', '100 %']);
    expect(perSecond(30, 2000, 'steps')).toBe('15.0 steps/s');
    expect(perSecond(0, 0, 'steps')).toBe('0 steps/s');
    expect(timeLeft(1000, 0.5, 0.75)).toBe('1.0 s left');
    expect(timeLeft(1000, 0, 1)).toBe('0 ms left');
    const recent = new Recent();
    expect(recent.mean).toBeNaN();
    for (const value of [Number.NaN, 1, Number.POSITIVE_INFINITY, 2]) recent.add(value);
    expect(recent.mean).toBeCloseTo(1.05, 12);
  });
});

it('what is no stream is refused', () => {
  for (const stream of ['a', {}, null, 1] as never[])
    expect(() => callbacks.progress({ stream })).toThrow('option stream: expected a stream');
  expect(() => callbacks.progress({ every: 3 } as never)).toThrow('every');
});

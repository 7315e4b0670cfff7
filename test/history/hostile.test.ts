// hostile.test.ts: records that a kill has cut, that nobody can have written, or that are made to do harm.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { DataError } from '../../lib/errors.ts';
import { advise, readRecord } from '../../lib/history/index.ts';
import { MAX_RECORD_LINE } from '../../lib/io/limits.ts';
import { classifier, points } from '../train/models.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-hostile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
function save(text: string | Uint8Array, name = 'run.jsonl'): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}
const data = points(64);

const header = {
  ...{
    format: 'gradclip record',
    version: 1,
    library: '0.1.0',
    policy: 'globalNorm',
    norm: 2,
    seed: '0',
    threads: 1,
    batchSize: 4,
  },
  ...{ accumulate: 1, perLayer: true, optimizers: [{ name: 'optim.sgd', lr: 0.1, eps: null }] },
  parameters: [
    { name: 'w', shape: [2, 3], optimizer: 0 },
    { name: 'b', shape: [2], optimizer: 0 },
  ],
};
const step = (i: number) => ({
  ...{ attempt: i, step: i, loss: 1.5, norm: i, normAfter: 1, scale: 1, threshold: 1, clipped: false, clippedFraction: 0 },
  ...{ skipped: false, nonFinite: null, nonFiniteCount: 0, layers: [i, 2 * i] },
});
const written = (...lines: readonly object[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

describe('a record that was cut', () => {
  const whole = written(header, step(1), step(2), step(3));

  it.each([
    ['within a step', whole.slice(0, -20), 2],
    ['before the end of the last line', whole.slice(0, -1), 2],
    ['after a line', whole, 3],
    ['and filled with zeros, as after a loss of power', `${whole}${'\0'.repeat(5000)}`, 3],
  ])('%s', async (_, text, steps) => {
    for (const path of [save(text), save(gzipSync(text), 'run.gz')]) {
      const history = await readRecord(path);
      expect(history.length).toBe(steps);
      expect([...history.attempt]).toEqual([1, 2, 3].slice(0, steps));
      expect([...history.layers!.norms]).toEqual([1, 2, 2, 4, 3, 6].slice(0, 2 * steps));
      expect(history.torn).toBe(text.length - text.lastIndexOf('\n') - 1);
      // What is read can be given on.
      expect(advise(history, { warmup: 0 }).norms.max).toBe(steps);
    }
  });

  it('within its header', async () => {
    await expect(readRecord(save(whole.slice(0, 40)))).rejects.toThrow('expected a record, got no whole line');
    await expect(readRecord(save(''))).rejects.toThrow('expected a record, got an empty file');
  });

  it('is gone on with at the last whole line, whatever was cut', async () => {
    const file = join(folder, 'resumed.jsonl');
    const parts = async (cut: (bytes: Buffer) => number): Promise<string> => {
      rmSync(file, { force: true });
      using trainer = classifier({ seed: 1 });
      await trainer.fit(data, { steps: 9, record: file });
      truncateSync(file, cut(readFileSync(file)));
      await trainer.fit(data, { steps: 4, record: file });
      return readFileSync(file, 'utf8');
    };
    const all = (await parts((bytes) => bytes.length)).split('\n');
    // A header, nine steps with an end of an epoch among them, four more.
    expect(all).toHaveLength(16);
    expect((await parts((bytes) => bytes.length - 30)).split('\n')).toEqual([...all.slice(0, 10), ...all.slice(11)]);
    // Nothing is left of a file whose header was cut, but the run that goes on.
    const weightsAside = (line: string): string => line.replace(/,"rms":[\d.]+/g, '');
    const [first, ...rest] = (await parts(() => 50)).split('\n');
    expect([weightsAside(first!), ...rest]).toEqual([weightsAside(all[0]!), ...all.slice(11)]);
    expect(first).not.toBe(all[0]);
    // A file of somebody else is left alone.
    for (const other of ['{"format":"other"', '{"format":', '{']) {
      writeFileSync(file, other);
      using trainer = classifier({ seed: 1 });
      await expect(trainer.fit(data, { steps: 1, record: file })).rejects.toThrow(/expected a record of gradclip to go on with/);
      expect(readFileSync(file, 'utf8')).toBe(other);
    }
  });

  it('a last line without end is not read into memory to go on with', async () => {
    const file = join(folder, 'endless.jsonl');
    using trainer = classifier({ seed: 1 });
    await trainer.fit(data, { steps: 3, record: file });
    appendFileSync(file, Buffer.alloc(2 * MAX_RECORD_LINE, 'x'));
    await expect(trainer.fit(data, { steps: 1, record: file })).rejects.toThrow(
      /expected lines of at most 4194304 bytes to go on with/,
    );
  });
});

describe('a record that does harm', () => {
  it('has no line of more than 4 MiB', async () => {
    const join = vi.spyOn(Buffer, 'concat');
    onTestFinished(() => join.mockRestore());
    for (const text of [
      'a'.repeat(1 << 24),
      `${written(header)}${'{'.repeat(1 << 24)}`,
      `${'['.repeat(MAX_RECORD_LINE + 1)}\n`,
    ]) {
      const path = save(gzipSync(text, { level: 1 }));
      join.mockClear();
      const line = text.startsWith('{"format') ? 2 : 1;
      await expect(readRecord(path)).rejects.toThrow(`${path}:${line}: expected a line of at most 4194304 bytes`);
      // Its parts are never put together, let alone again with each of them.
      expect(join).toHaveBeenCalledTimes(0);
    }
  });

  it('has at most so many bytes, unpacked', async () => {
    const text = written(header, ...Array.from({ length: 2000 }, (_, i) => step(i)));
    const path = save(gzipSync(text));
    expect((await readRecord(path, { maxBytes: text.length })).length).toBe(2000);
    await expect(readRecord(path, { maxBytes: text.length - 1 })).rejects.toThrow(/\(option maxBytes\), got more, unpacked/);
  });

  const deep = (n: number): string => `${'['.repeat(n)}1${']'.repeat(n)}`;
  const rows: readonly (readonly [string, string, RegExp])[] = [
    [
      'lists within lists',
      `${written(header)}{"attempt":${deep(100_000)}}\n`,
      /line 2: expected a line of JSON: expected lists and objects of at most 64 levels/,
    ],
    ['lists within a header', `{"format":${deep(100_000)}}\n`, /line 1: expected a line of JSON: expected lists/],
    ['brackets in a text are none', `{"format":"${'['.repeat(1000)}\\"["}\n`, /line 1: format: expected "gradclip record"/],
    [
      'an attempt that is no number of batches',
      written(header, { ...step(1), attempt: 'NaN' }),
      /line 2: attempt: expected a whole number from 0, got "NaN"/,
    ],
    ['half an attempt', written(header, { ...step(1), attempt: 0.5 }), /attempt: expected a whole number from 0, got 0\.5/],
    ['a negative step', written(header, { ...step(1), step: -1 }), /step: expected a whole number from 0, got -1/],
    ['an attempt beyond counting', written(header, { ...step(1), attempt: 2 ** 60 }), /attempt: expected a whole number/],
    ['an attempt again', written(header, step(2), step(2)), /line 3: attempt: expected more than 2, got 2/],
    ['norms of more layers', written(header, { ...step(1), layers: [1, 2, 3] }), /layers: expected 2 norms, got 3/],
    [
      'an optimizer that is not there',
      written({ ...header, parameters: [{ name: 'w', shape: [2], optimizer: 7 }] }),
      /parameters\[0\]\.optimizer: expected one of the optimizers, got 7/,
    ],
    [
      'more elements than can be counted',
      written({ ...header, parameters: [{ name: 'w', shape: [2 ** 40, 2 ** 40], optimizer: 0 }] }),
      /shape: expected a list of numbers/,
    ],
    [
      '100 dimensions',
      written({ ...header, parameters: [{ name: 'w', shape: new Array(100).fill(1), optimizer: 0 }] }),
      /shape: expected a list of numbers/,
    ],
    [
      'a mean square in words',
      written({ ...header, parameters: [{ name: 'w', shape: [2], optimizer: 0, rms: 'small' }] }),
      /parameters\[0\]\.rms: expected a number, got "small"/,
    ],
    [
      'a momentum that is none',
      written({ ...header, optimizers: [{ name: 'optim.sgd', lr: 0.1, eps: null, momentum: true }] }),
      /optimizers\[0\]\.momentum: expected a number, got true/,
    ],
    ['a bound that is a number', written({ ...header, unbounded: 3 }), /unbounded: expected a text or null, got 3/],
    ['no batch size', written({ ...header, batchSize: -1 }), /batchSize: expected a whole number from 0, got -1/],
    [
      'a Git LFS pointer',
      'version https://git-lfs.github.com/spec/v1\n',
      /expected a record, got a Git LFS pointer: run git lfs pull/,
    ],
    ['a web page', '<html>\n', /expected a record, got a web page/],
    ['UTF-16', Buffer.from(written(header), 'utf16le').toString('latin1'), /expected a record, got text in UTF-16/],
  ];
  it.each(rows)('%s', async (_, text, message) => {
    const path = save(Buffer.from(text, 'latin1'));
    const error = await readRecord(path).then(
      () => null,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toMatch(message);
    expect((error as DataError).message.length).toBeLessThan(10_000);
  });

  it('numbers that are no numbers are what they say', async () => {
    const odd = { ...step(1), loss: 'NaN', norm: 'Infinity', threshold: '-Infinity', scale: 1e308, layers: ['NaN', '-Infinity'] };
    const history = await readRecord(save(written(header, odd)));
    expect([history.loss[0], history.norm[0], history.threshold[0], history.scale[0]]).toEqual([NaN, Infinity, -Infinity, 1e308]);
    expect([...history.layers!.norms]).toEqual([NaN, -Infinity]);
  });
});

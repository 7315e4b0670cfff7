// record.test.ts: what `fit` writes is what iterating the run gives; a resumed run's record is that of the run that was not interrupted.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { DataError, NonFiniteError, OptionError } from '../../lib/errors.ts';
import { advise, readRecord } from '../../lib/history/index.ts';
import { parseLine, stepLine } from '../../lib/history/line.ts';
import type { Report } from '../../lib/optim/apply/report.ts';
import { sgd } from '../../lib/optim/index.ts';
import { analyze } from '../../lib/optim/standalone/analyze.ts';
import { runLine } from '../../lib/pages/replay-page.ts';
import { classifier, points } from '../train/models.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'gradclip-record-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
const data = points(64);
const lines = (file: string): string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1);
const steps = (file: string): Report[] =>
  lines(file).flatMap((line) => {
    const parsed = parseLine(line);
    if (!('row' in parsed)) return [];
    const { layers: _, rates: __, findings: ___, ...report } = parsed.row;
    return [report];
  });

describe('the record of fit', () => {
  it('names the precision of products, which a report shows; older records have none, others are refused', async () => {
    const file = join(folder(), 'run.jsonl');
    using trainer = classifier({ precision: 'bf16' });
    await trainer.fit(data, { epochs: 1, record: file });
    const history = await readRecord(file);
    expect(history.header!.precision).toBe('bf16');
    expect(runLine(history, advise(history))).toContain(' · products in bf16 · seed ');
    const [first, ...rest] = lines(file);
    for (const [precision, expected] of [
      [undefined, undefined],
      ['f32', 'f32'],
    ] as const) {
      writeFileSync(file, [JSON.stringify({ ...JSON.parse(first!), precision }), ...rest].join('\n'));
      const read = await readRecord(file);
      expect(read.header!.precision).toBe(expected);
      expect(runLine(read, advise(read))).not.toContain('bf16');
    }
    writeFileSync(file, [JSON.stringify({ ...JSON.parse(first!), precision: 'f16' }), ...rest].join('\n'));
    await expect(readRecord(file)).rejects.toThrow('precision: expected f32 or bf16');
  });

  it('has a header and a line for each step: what iterating the run gives', async () => {
    const file = join(folder(), 'run.jsonl');
    using trainer = classifier({ seed: 2n ** 60n });
    const before = await trainer.readParameters();
    const told: Report[] = [];
    for await (const report of trainer.fit(data, { epochs: 3, record: file })) told.push(report);
    expect(told).toHaveLength(24);
    expect(steps(file)).toEqual(told);
    const header = JSON.parse(lines(file)[0]!);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(header).toMatchObject({
      ...{ format: 'gradclip record', version: 3, library: version, policy: 'globalNorm', norm: 2, seed: String(2n ** 60n) },
      ...{
        unbounded: null,
        optimizers: [{ name: 'optim.adamw', lr: 0.01, eps: 1e-8, momentum: null }],
        batchSize: 8,
        accumulate: 1,
        precision: 'f32',
        perLayer: false,
      },
    });
    const rms = Object.fromEntries(
      [...before].map(([name, { data }]) => [name, Math.sqrt(data.reduce((s, x) => s + x * x, 0) / data.length)]),
    );
    expect(header.parameters).toEqual([
      { name: 'fc1.weight', shape: [16, 6], optimizer: 0, rms: expect.closeTo(rms['fc1.weight']!, 14) },
      { name: 'fc1.bias', shape: [16], optimizer: 0, rms: expect.closeTo(rms['fc1.bias']!, 14) },
      { name: 'fc2.weight', shape: [2, 16], optimizer: 0, rms: expect.closeTo(rms['fc2.weight']!, 14) },
      { name: 'fc2.bias', shape: [2], optimizer: 0, rms: expect.closeTo(rms['fc2.bias']!, 14) },
    ]);
    const history = await readRecord(file);
    expect(history.length).toBe(24);
    expect(Array.from(history.norm)).toEqual(told.map((r) => r.norm));
    expect(Array.from(history.clipped, Boolean)).toEqual(told.map((r) => r.clipped));
  });

  it('is the same by fitSync, in chunks of any size, and changes no bit of the training', async () => {
    const path = folder();
    const files = ['a', 'b', 'c'].map((name) => join(path, name));
    using a = classifier();
    await a.fit(data, { epochs: 3, record: files[0]! });
    using b = classifier();
    b.fitSync(data, { epochs: 3, record: { file: files[1]! } });
    using c = classifier();
    await c.fit(data, { epochs: 3, record: files[2]!, chunkSteps: 1 });
    const [first, ...rest] = files.map((file) => readFileSync(file, 'utf8'));
    for (const text of rest) expect(text).toBe(first);
    using plain = classifier();
    await plain.fit(data, { epochs: 3 });
    expect(await plain.readParameters()).toEqual(await a.readParameters());
  });

  it('has the norm of each parameter where it is asked to, whatever the policy measures', async () => {
    for (const policy of [
      clip.globalNorm(0.5),
      clip.none({ measure: false }),
      clip.value(0.01, { nonFinite: 'zero' }),
      clip.perTensorNorm(0.1),
    ]) {
      const file = join(folder(), 'run.jsonl');
      using trainer = classifier({ clip: policy, accumulate: 2 });
      using plain = classifier({ clip: policy, accumulate: 2 });
      await trainer.fit(data, { epochs: 2, record: { file, perLayer: true } });
      await plain.fit(data, { epochs: 2 });
      expect(await trainer.readParameters()).toEqual(await plain.readParameters());
      const { layers, norm, length } = await readRecord(file);
      expect(layers!.names).toEqual(trainer.trained);
      for (let i = 0; i < length; i++) {
        const all = Math.hypot(...layers!.norms.subarray(i * 4, i * 4 + 4));
        expect(all).toBeGreaterThan(0);
        if (policy.name === 'globalNorm') expect(all / norm[i]!).toBeCloseTo(1, 14);
      }
    }
  });

  it('measures per layer what a step of SGD moves', async () => {
    const file = join(folder(), 'run.jsonl');
    using trainer = classifier({ optimizer: sgd({ lr: 1 }), clip: clip.none() });
    const before = await trainer.readParameters();
    await trainer.fit(data, { steps: 1, record: { file, perLayer: true } });
    const after = await trainer.readParameters();
    const moved = Object.fromEntries(
      [...before].map(([name, p]) => [name, Float32Array.from(p.data, (v, i) => v - after.get(name)!.data[i]!)]),
    );
    const { layers } = await readRecord(file);
    const truth = analyze(moved).tensors.map((t) => t.norm2);
    truth.forEach((norm, k) => {
      expect(layers!.norms[k]! / norm).toBeCloseTo(1, 3);
    });
  });

  it('goes on where a trainer goes on: resumed equals uninterrupted, and what was given up is cut off', async () => {
    const path = folder();
    const [whole, parts, saved] = ['whole', 'parts', 'saved'].map((name) => join(path, name)) as [string, string, string];
    for (const perLayer of [false, true]) {
      using one = classifier();
      await one.fit(data, { steps: 30, record: { file: whole, perLayer } });
      using two = classifier();
      await two.fit(data, { steps: 7, record: { file: parts, perLayer } });
      await two.fit(data, { steps: 6, record: { file: parts, perLayer } });
      await two.save(saved);
      await two.fit(data, { steps: 9, record: { file: parts, perLayer } });
      // As if the process had ended within a line.
      appendFileSync(parts, '{"attempt":22,"ste');
      using three = classifier({ threads: 1 });
      await three.load(saved);
      await three.fit(data, { steps: 17, record: { file: parts, perLayer } });
      const header = /"threads":\d+/;
      expect(readFileSync(parts, 'utf8').replace(header, '')).toBe(readFileSync(whole, 'utf8').replace(header, ''));
    }
  });

  it('begins a part with a header of its own where a run goes on with other settings', async () => {
    const path = folder();
    const [file, saved] = [join(path, 'run'), join(path, 'saved')];
    using a = classifier();
    await a.fit(data, { steps: 5, record: file });
    await a.save(saved);
    using b = classifier({ clip: clip.globalNorm(0.1, { p: 1 }) });
    await b.load(saved);
    await b.fit(data, { steps: 3, record: file });
    using c = classifier({ clip: clip.globalNorm(0.1, { p: 1 }) });
    await c.load(saved);
    await c.fit(data, { steps: 3, record: file });
    expect(lines(file).map((line) => line.startsWith('{"format"'))).toEqual([
      true,
      ...Array(5).fill(false),
      true,
      // Three steps and the end of the epoch.
      ...Array(4).fill(false),
    ]);
    const history = await readRecord(file);
    expect(history.header).toMatchObject({ policy: 'globalNorm', norm: null });
    expect(Array.from(history.step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('tells skipped steps, NaN and infinities', async () => {
    const file = join(folder(), 'run.jsonl');
    const bad = points(64);
    bad.x.data[6 * 11] = Number.NaN;
    using trainer = classifier({ clip: clip.globalNorm(0.5, { maxSkips: 3 }) });
    const told: Report[] = [];
    for await (const report of trainer.fit(bad, { epochs: 2, record: file })) told.push(report);
    expect(steps(file)).toEqual(told);
    const history = await readRecord(file);
    expect(history.skipped.reduce((a, b) => a + b)).toBe(2);
    expect(history.nonFinite.filter((n) => n !== null)).toEqual(['fc1.weight', 'fc1.weight']);
    expect(history.norm.filter(Number.isNaN)).toHaveLength(2);
  });

  it('has the steps before an error that ends the run', async () => {
    const file = join(folder(), 'run.jsonl');
    const bad = points(64);
    bad.x.data.fill(Number.NaN);
    using trainer = classifier({ clip: clip.globalNorm(0.5, { maxSkips: 3 }) });
    await expect(trainer.fit(bad, { record: file })).rejects.toThrow(NonFiniteError);
    expect((await readRecord(file)).length).toBe(3);
    using sync = classifier({ clip: clip.globalNorm(0.5, { maxSkips: 3 }) });
    const other = join(folder(), 'run.jsonl');
    expect(() => sync.fitSync(bad, { record: other })).toThrow(NonFiniteError);
    expect((await readRecord(other)).length).toBe(3);
  });

  it('refuses a file that is none of its own, and one of another model', async () => {
    const file = join(folder(), 'notes.txt');
    writeFileSync(file, 'my notes\n');
    using trainer = classifier();
    await expect(trainer.fit(data, { record: file })).rejects.toThrow(`record: ${file}: expected a record of gradclip`);
    expect(readFileSync(file, 'utf8')).toBe('my notes\n');
    expect(trainer.counters.attempt).toBe(0);
    await trainer.fit(data, { steps: 2, record: `${file}.jsonl` });
    expect(() => trainer.fitSync(data, { record: { file: `${file}.jsonl`, perLayer: true } })).toThrow('perLayer');
    await expect(trainer.fit(data, { record: '/nowhere/run.jsonl' })).rejects.toThrow(DataError);
    await expect(trainer.fit(data, { record: '/nowhere/run.jsonl' })).rejects.toThrow(
      /^record: \/nowhere\/run\.jsonl: cannot be written: there is no folder \/nowhere/,
    );
    // A disk that is full when the first line is written.
    await expect(trainer.fit(data, { record: '/dev/full' })).rejects.toThrow(
      /^record: \/dev\/full: cannot be written: no space left/,
    );
    await trainer.fit(data, { steps: 1 });
  });

  it.each([
    [{ record: 3 }, 'option record: expected a text, or an object of options, got 3'],
    [{ record: '' }, 'option record'],
    [{ record: { perLayer: true } }, 'option record.file: expected a text, got nothing'],
    [{ record: { file: 'x', perlayer: true } }, 'did you mean perLayer'],
    [{ record: { file: 'x', perLayer: 1 } }, 'option record.perLayer: expected true or false, got 1'],
  ])('refuses %j', (options, message) => {
    using trainer = classifier();
    expect(() => trainer.fit(data, options as never)).toThrow(OptionError);
    expect(() => trainer.fit(data, options as never)).toThrow(message);
  });
});

describe('a line', () => {
  const number = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Infinity, -Infinity, -0, 0));
  it('comes back as it was', () => {
    fc.assert(
      fc.property(
        fc.record({
          ...{
            attempt: fc.nat(),
            step: fc.nat(),
            loss: number,
            norm: number,
            scale: number,
            normAfter: number,
            threshold: number,
          },
          ...{
            clipped: fc.boolean(),
            clippedFraction: number,
            skipped: fc.boolean(),
            nonFinite: fc.option(fc.string()),
            nonFiniteCount: fc.nat(),
          },
        }),
        fc.option(fc.array(number)),
        (report, layers) => {
          const line = stepLine(report, layers && Float64Array.from(layers));
          expect(line.indexOf('\n')).toBe(line.length - 1);
          expect(parseLine(line)).toEqual({ row: { ...report, layers, rates: [], findings: [] } });
        },
      ),
    );
  });
});

describe('readRecord', () => {
  async function recorded(): Promise<{ file: string; text: string[] }> {
    const file = join(folder(), 'run.jsonl');
    using trainer = classifier();
    await trainer.fit(data, { steps: 3, record: file });
    return { file, text: lines(file) };
  }
  it('leaves out a last line that has no end', async () => {
    const { file } = await recorded();
    appendFileSync(file, '{"attempt":3,"st');
    expect((await readRecord(file)).length).toBe(3);
  });
  it.each([
    ['no header', (t: string[]) => t.slice(1), 'line 1: expected the header of a record'],
    ['nothing', () => [], 'expected a record, got an empty file'],
    ['half a line', (t: string[]) => [t[0]!, t[1]!.slice(0, 30), t[2]!], 'line 2: expected a line of JSON'],
    ['another thing', (t: string[]) => [...t, '[1]'], 'line 5: expected an object'],
    [
      'a text for a number',
      (t: string[]) => [t[0]!, t[1]!.replace(/"norm":[^,]+/, '"norm":"big"')],
      'line 2: norm: expected a number, got "big"',
    ],
    [
      'a number left out',
      (t: string[]) => [t[0]!, t[1]!.replace(/"loss":[^,]+,/, '')],
      'line 2: loss: expected a number, got nothing',
    ],
    ['steps twice', (t: string[]) => [...t, t[2]!], 'line 5: attempt: expected more than 2, got 1'],
    [
      'norms of layers nobody announced',
      (t: string[]) => [t[0]!, t[1]!.replace(/}$/, ',"layers":[1]}')],
      'line 2: layers: expected 0 norms, got 1',
    ],
    [
      'a version to come',
      (t: string[]) => [t[0]!.replace('"version":3', '"version":4')],
      'line 1: version: expected 1 to 3, got 4',
    ],
    ['another model', (t: string[]) => [...t, t[0]!.replace('fc1.weight', 'fc9.weight')], 'line 5: parameters: another model'],
  ])('refuses %s, with file and line', async (_, change, message) => {
    const { file, text } = await recorded();
    writeFileSync(
      file,
      change(text)
        .map((line) => `${line}\n`)
        .join(''),
    );
    const error = await readRecord(file).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toContain(`${file}: ${message}`);
    expect((error as DataError).details).toMatchObject({ file, line: expect.any(Number) });
  });
  it('names a file that is not there', async () => {
    await expect(readRecord('/nowhere/run.jsonl')).rejects.toThrow('/nowhere/run.jsonl: no such file');
  });
});

// run-page.test.ts: the page of a run: what is on it, of runs of all kinds and lengths, by a trainer, a record, or norms alone.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { DataError, OptionError } from '../../lib/errors.ts';
import { readRecord } from '../../lib/history/index.ts';
import * as optim from '../../lib/optim/index.ts';
import { runPage } from '../../lib/pages/run/page.ts';
import * as guard from '../../lib/public/guard.ts';
import { classifier, points } from '../train/models.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'gradclip-page-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
const data = points(64);

/** What holds of every page. */
function expectWhole(html: string): void {
  expect(/(?:src|href)=|https?:|url\((?!#)|@import|<script/i.exec(html)?.[0]).toBeUndefined();
  expect(/.{0,60}(?:NaN|undefined|Infinity|\[object)/.exec(html)?.[0]).toBeUndefined();
  expect(html.match(/<h1>/g)).toHaveLength(1);
  // One id is one place.
  const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [tag] of html.matchAll(/<svg [^>]*>/g)) expect(tag).toMatch(/role="img" aria-label="[^"]{10,}"|aria-hidden="true"/);
  expect(html.match(/<table/g)!.length).toBe(html.match(/<caption>/g)!.length);
}
const headings = (html: string): string[] => [...html.matchAll(/<h2>([^<]*)<\/h2>/g)].map(([, text]) => text!);

describe('trainer.report', () => {
  it('has all that was measured, in its order', async () => {
    const file = join(folder(), 'run.html');
    using trainer = classifier({
      ...{ clip: clip.globalNorm(0.3), guards: [guard.loss({ max: 0.65, action: 'warn' })] },
      optimizer: optim.adamw({ lr: optim.schedule.cosine(0.01, { steps: 24 }) }),
    });
    await trainer.fit(data, { epochs: 3, validation: points(24, 6, 7), perLayer: true });
    await trainer.report(file, { title: 'Mine & <b>', facts: { 'test accuracy': '93 %' }, configuration: { a: ['<i>'] } });
    const html = readFileSync(file, 'utf8');
    expectWhole(html);
    expect(html).toContain('<h1>Mine &amp; &lt;b&gt;</h1>');
    expect(html).toContain('clip.globalNorm · optim.adamw · 146 parameters · seed 3');
    expect(html).toMatch(/test accuracy<\/th><td class="words">93 %/);
    expect(html).toContain('&lt;i&gt;');
    expect(html).toContain(process.version);
    expect(headings(html).filter((heading) => !heading.startsWith('What is') && !heading.startsWith('What to'))).toEqual([
      'Loss',
      'Learning rate',
      'Gradient norm',
      'Where the clip was active',
      'Norms by parameter',
      'Speed',
      'What guards have found',
      'Epochs',
      'Settings',
    ]);
    for (const name of trainer.trained) expect(html).toContain(`<bdi>${name}</bdi>`);
    expect(html).toMatch(/3 epochs|epochs<\/th><td class="words">3</);
  });

  it('tells what is new on each call, and changes nothing of the training', async () => {
    const path = folder();
    using trainer = classifier();
    await expect(trainer.report(join(path, 'a.html'))).rejects.toThrow('no step has run');
    await trainer.fit(data, { steps: 3 });
    await trainer.report(join(path, 'a.html'));
    expect(readFileSync(join(path, 'a.html'), 'utf8')).toContain('steps</th><td class="words">3<');
    const before = await trainer.readParameters();
    await trainer.fit(data, { steps: 5, callbacks: [{ onSteps: () => trainer.report(join(path, 'b.html')) }] });
    await trainer.step({ x: { data: data.x.data.slice(0, 48), shape: [8, 6] }, y: data.y.slice(0, 8) });
    await trainer.report(join(path, 'a.html'));
    expect(readFileSync(join(path, 'a.html'), 'utf8')).toContain('steps</th><td class="words">9<');
    expectWhole(readFileSync(join(path, 'b.html'), 'utf8'));
    expect(await trainer.report()).toBe(readFileSync(join(path, 'a.html'), 'utf8'));
    expect(await trainer.report({ title: 'Other' })).toContain('<h1>Other</h1>');
    using other = classifier();
    await other.fit(data, { steps: 3 });
    expect(await other.readParameters()).toEqual(before);
    expect(headings(readFileSync(join(path, 'a.html'), 'utf8'))).not.toContain('Norms by parameter');
  });

  it('begins anew where the trainer is elsewhere, and says what came before', async () => {
    const path = folder();
    using trainer = classifier();
    await trainer.fit(data, { steps: 6 });
    const saved = await trainer.save();
    using other = classifier();
    await other.load(saved);
    await expect(other.report(join(path, 'a.html'))).rejects.toThrow(OptionError);
    await other.fit(data, { steps: 2 });
    await other.report(join(path, 'a.html'));
    expect(readFileSync(join(path, 'a.html'), 'utf8')).toContain('steps</th><td class="words">2, after 6 updates before<');
  });

  it('refuses what it cannot do', async () => {
    using trainer = classifier();
    await trainer.fit(data, { steps: 1 });
    await expect(trainer.report('/nowhere/a.html')).rejects.toThrow(DataError);
    await expect(trainer.report('')).rejects.toThrow('Trainer.report');
    await expect(trainer.report({} as never, {})).rejects.toThrow('expected a file before the options');
    await expect(trainer.report('a.html', { titel: 'x' } as never)).rejects.toThrow('did you mean title');
    await expect(trainer.report('a.html', { facts: { a: 1 } as never })).rejects.toThrow('facts.a');
    await expect(trainer.report('a.html', { configuration: 1n })).rejects.toThrow('configuration: expected what JSON can hold');
  });
});

describe('runPage', () => {
  it('takes a record, reports, and norms alone', async () => {
    const file = join(folder(), 'run.jsonl');
    using trainer = classifier({ clip: clip.auto({ budget: 0.5 }) });
    const reports = [];
    for await (const report of trainer.fit(data, {
      epochs: 6,
      validation: points(24, 6, 7),
      record: { file, perLayer: true, clock: true },
    }))
      reports.push(report);
    const history = await readRecord(file);
    const html = runPage(history, { title: 'Of a record' });
    expectWhole(html);
    expect(html).toContain(process.version);
    for (const heading of ['Loss', 'Learning rate', 'Norms by parameter', 'Settings']) expect(headings(html)).toContain(heading);
    if ((history.decisions ?? []).length > 0) expect(headings(html)).toContain('Where the threshold moved, and why');
    const plain = runPage(reports);
    expectWhole(plain);
    expect(headings(plain)).toContain('Gradient norm');
    expect(headings(plain)).not.toContain('Learning rate');
    expectWhole(runPage([1, 2, Number.NaN, Number.POSITIVE_INFINITY]));
    expectWhole(runPage([Number.NaN]));
    expectWhole(runPage([0, 0]));
    expect(() => runPage([])).toThrow(OptionError);
    expect(() => runPage('x' as never)).toThrow(OptionError);
  });

  it('of 100,000 steps has curves of no more points than a page is wide, and tells so', () => {
    const length = 100_000;
    const column = (of: (i: number) => number): Float64Array => Float64Array.from({ length }, (_, i) => of(i));
    const spike = 77_777;
    const names = ['first.weight', 'last.weight'];
    const html = runPage({
      loss: column((i) => 2 / (1 + i / 1000) + 0.1 * Math.sin(i)),
      norm: column((i) => (i === spike ? 1e6 : 1 + (i % 7))),
      normAfter: column((i) => Math.min(3, 1 + (i % 7))),
      threshold: column(() => 3),
      clipped: Uint8Array.from({ length }, (_, i) => Number(i % 7 > 2)),
      rates: [column((i) => 0.1 * (1 - i / length))],
      layers: {
        ...{ names, shapes: names.map(() => [4]) },
        norms: Float64Array.from({ length: length * names.length }, (_, i) => 1 + (i % 13)),
      },
      events: Array.from({ length: 500 }, (_, i) => ({
        event: 'validation' as const,
        attempt: 200 * i,
        step: 200 * i,
        metrics: { loss: 1, accuracy: i / 500 },
      })),
    });
    expectWhole(html);
    expect(html.length).toBeLessThan(600_000);
    expect(html).toContain('faint from the least to the largest of 128 steps each');
    // A single step is still seen.
    expect(html).toMatch(/before the clip: [^;]*, from 1\.00 to 1e6/);
    for (const [, d] of html.matchAll(/<path class="[^"]*(?:raw|trend)" d="([^"]*)"/g))
      expect(d!.match(/[ML]/g)?.length ?? 0).toBeLessThan(2500);
  });

  it('has a row for each of the largest parameters, and says how many there are', () => {
    const names = Array.from({ length: 80 }, (_, k) => `block.${k}.weight`);
    const norms = Float64Array.from({ length: 50 * 80 }, (_, i) => 1 + (i % 80));
    const html = runPage({ norm: Array(50).fill(3), layers: { names, shapes: names.map(() => [4]), norms } });
    expectWhole(html);
    expect(html).toContain('The 64 largest of 80 parameters.');
    const rows = [...html.matchAll(/<bdi>block\.(\d+)\.weight<\/bdi>/g)].map(([, k]) => Number(k));
    expect(rows).toEqual(Array.from({ length: 64 }, (_, i) => 16 + i));
  });

  it('shows names of strangers as text', () => {
    const evil = '"><script>alert(1)</script>\x1b[31m\u202e';
    const html = runPage({
      norm: [1, 2, Number.NaN],
      nonFinite: [null, null, evil],
      layers: { names: [evil], shapes: [[1]], norms: Float64Array.of(1, 2, Number.NaN) },
      attempt: [0, 1, 2],
      events: [
        { event: 'validation', attempt: 1, step: 1, metrics: { [evil]: 1 } },
        { event: 'guard', attempt: 2, step: 2, guard: evil, action: 'warn', name: evil, value: 1 },
        { event: 'clock', attempt: 2, time: 1, machine: evil },
        { event: 'clock', attempt: 2, time: 2 },
      ],
    });
    expectWhole(html);
    expect(html).toContain('&lt;script&gt;');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(html).not.toMatch(/[\x00-\x08\x0b-\x1f\u202e]/);
  });
});

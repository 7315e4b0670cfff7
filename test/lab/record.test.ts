// record.test.ts: the laboratory's record: what is written is read, torn lines are dropped, strangers refused, two writers kept apart.
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { LabLine } from '../../lib/lab/line.ts';
import { LabRecorder, readLab } from '../../lib/lab/record.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-lab-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

export const line = (seed: number, more: Partial<LabLine> = {}): LabLine => ({
  ...{ workload: 'a', optimizer: 'sgd', policy: 'none', level: 'none', seed, kind: 'dense', usual: true, steps: 10, extra: 0 },
  ...{ clipped: 0, skipped: 0, train: 0.1, validation: 0.2, test: 0.3, diverged: null, ignorant: 1, threshold: null },
  ...{ norms: { median: 1, p99: 2, tail: null, drift: 0.5 }, seconds: 0.01 },
  ...more,
});
let files = 0;
const fresh = (): string => join(folder, `${files++}.jsonl`);

it('is read as it was written, and goes on', async () => {
  const file = fresh();
  const first = await LabRecorder.open(file, 'here');
  first.add(line(0));
  first.add(line(1, { test: null, validation: null, train: null, diverged: 'gradient', made: 'x' }));
  first.close();
  const again = await LabRecorder.open(file, 'elsewhere');
  expect(again.done).toEqual([line(0), line(1, { test: null, validation: null, train: null, diverged: 'gradient', made: 'x' })]);
  again.add(line(2));
  again.close();
  const read = await readLab(file);
  expect(read.lines.map(({ seed }) => seed)).toEqual([0, 1, 2]);
  expect(read).toMatchObject({ torn: 0, header: { machine: 'here' } });
  expect(existsSync(`${file}.lock`)).toBe(false);
});

it('cut anywhere, it goes on behind its last whole line', async () => {
  const file = fresh();
  const first = await LabRecorder.open(file, 'here');
  for (const seed of [0, 1, 2]) first.add(line(seed));
  first.close();
  const whole = readFileSync(file, 'utf8');
  const ends = [...whole.matchAll(/\n/g)].map(({ index }) => index + 1);
  for (let size = 0; size <= whole.length; size += 7) {
    const cut = fresh();
    writeFileSync(cut, whole.slice(0, size));
    const there = ends.filter((end) => end <= size).length;
    const again = await LabRecorder.open(cut, 'here');
    expect(again.done.length, String(size)).toBe(Math.max(0, there - 1));
    again.add(line(9));
    again.close();
    expect((await readLab(cut)).lines.at(-1)).toEqual(line(9));
  }
});

it('another process that writes keeps out, a dead one does not', async () => {
  const file = fresh();
  const first = await LabRecorder.open(file, 'here');
  await expect(LabRecorder.open(file, 'here')).rejects.toThrow(`process ${process.pid} writes it`);
  first.close();
  writeFileSync(`${file}.lock`, '4194305');
  (await LabRecorder.open(file, 'here')).close();
});

it('refuses what is no record, and changes nothing of it', async () => {
  const refused = async (content: string, message: string): Promise<void> => {
    const file = fresh();
    writeFileSync(file, content);
    await expect(readLab(file)).rejects.toThrow(message);
    await expect(LabRecorder.open(file, 'here')).rejects.toThrow();
    expect(readFileSync(file, 'utf8')).toBe(content);
  };
  const header = '{"format":"gradclip lab","version":1,"library":"0.1.0","machine":"m"}\n';
  await refused('hello\n', 'not JSON');
  await refused('hello', 'expected a record of the laboratory, got no whole line');
  await refused('{"format":"gradclip record","version":1}\n', 'format: expected "gradclip lab"');
  await refused(header.replace(':1', ':2'), 'version: expected 1, got 2');
  await refused(`${header}{"workload":3}\n`, 'line 2: workload: expected a text, got 3');
  await refused(`${header}${JSON.stringify(line(0))}\n${JSON.stringify(line(0))}\n`, 'line 3: the run is there twice');
  await refused(
    `${header}${JSON.stringify({ ...line(0), clipped: 2 })}\n`,
    'clipped: expected a finite number >= 0 and <= 1, got 2',
  );
  const other = fresh();
  writeFileSync(other, header.replace('0.1.0', '0.0.9'));
  await expect(LabRecorder.open(other, 'here')).rejects.toThrow('begun by gradclip 0.0.9');
  // Whoever only reads takes it.
  expect((await readLab(other)).lines).toEqual([]);
  appendFileSync(other, '{"workload"');
  expect((await readLab(other)).torn).toBe(11);
});

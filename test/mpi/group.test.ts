// group.test.ts: groups of processes under mpirun of each library that is installed: one hash whatever their number, and how they end. Where there is
// none, it says so and skips.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { folder, installed, start } from './start.ts';

let one: Readonly<Record<string, string>> | null = null;
describe.each(installed)('$library', (launcher) => {
  it.each([1, 2, 4, 8])('%i processes: the checkpoints of one', async (size) => {
    const { code, said, errors } = await start(launcher, size, 'all', { THREADS: `${1 + (size % 3)}` });
    expect(code, errors).toBe(0);
    const { hashes, ...who } = said as { hashes: Record<string, string> };
    expect(who).toEqual({ library: launcher.library, size });
    one ??= hashes;
    expect(hashes).toEqual(one);
    // None is that of another: what each is about has an effect.
    // But for those whose updates are shared out.
    expect(new Set(Object.values(hashes)).size).toBe(Object.keys(hashes).length - 2);
    expect([hashes.wideSharded, hashes.wideRowsSharded]).toEqual([hashes.wide, hashes.wideRows]);
  });

  it('goes on with another number of processes, and blocks or not, to the same bits', async () => {
    const said: Record<string, { whole: string; tensors: string }> = {};
    for (const [size, name] of Object.entries({ begin: 4, goOn: 2, sync: 2, beginSharded: 4, goOnSharded: 2, wide: 1 }).map(
      ([k, n]) => [n, k] as const,
    )) {
      const ended = await start(launcher, size, name);
      expect(ended.code, ended.errors).toBe(0);
      said[name] = ended.said as { whole: string; tensors: string };
    }
    expect(said.sync!.whole).toBe(one!.mlp);
    expect(said.goOn!.tensors).toBe(said.sync!.tensors);
    expect(said.goOnSharded!.tensors).toBe(said.wide!.tensors);
  });

  it('ends a fit that all processes stop after the same epoch', async () => {
    const { code, errors } = await start(launcher, 2, 'stopsTogether');
    expect(code, errors).toBe(0);
  });

  it.each([
    ['throws', 'process 1 of 2: Error: the data of process 1 are not there'],
    [
      'label',
      'process 1 of 2: IndexError [ERR_INDEX]: softmaxCrossEntropy: expected an index from 0 to 3 at position 0, got 9; y: 9 at row 36',
    ],
    ['otherData', 'has other data than process'],
    ['otherRate', 'has other learning rates or thresholds than process'],
    ['otherLoss', 'has other graph of model and loss than process'],
    ['otherSteps', 'has other lengths than process'],
    ['leaves', 'has other place than process'],
    ['exits', 'process '],
  ])('ends at once where one process %s', async (name, message) => {
    const { code, errors } = await start(launcher, 2, name);
    expect(errors).toContain(message);
    expect(code).not.toBe(0);
    expect(code).not.toBeNull();
  });

  it('ends where one is killed, and leaves a whole checkpoint', async () => {
    const { code } = await start(launcher, 2, 'killed');
    expect(code).not.toBe(0);
    expect(code).not.toBeNull();
    const { tensors } = await readSafetensors(join(folder, 'killed.safetensors'));
    expect(tensors.size).toBeGreaterThan(4);
  });

  it('refuses what processes cannot do together', async () => {
    const { code, said, errors } = await start(launcher, 2, 'refused');
    expect(code, errors).toBe(0);
    for (const text of said as string[]) expect(text).toMatch(/^ERR_OPTION: /);
    expect(said).toHaveLength(25);
  });
});

it.runIf(installed.length === 2)('refuses a launcher of another library', async () => {
  for (const [launcher, file] of [
    [installed[0], 'libmpich.so.12'],
    [installed[1], 'libmpi.so.40'],
  ] as const) {
    const { code, errors } = await start(launcher!, 2, 'all', { GRADCLIP_MPI: file });
    expect(code).not.toBe(0);
    expect(errors).toContain('the launcher is of another library');
  }
});

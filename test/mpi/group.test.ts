// group.test.ts: groups of processes under mpirun of each library that is installed: one hash whatever their number, and what they do together. Where
// there is none, it says so and skips.
import { describe, expect, it } from 'vitest';
import { installed, next, start } from './start.ts';

let one: Readonly<Record<string, string>> | null = null;
// Each library with one number of processes, and one for itself: `npm run -s check:groups` takes 1, 2, 4 and 8 of both.
const sizes = installed.length === 0 ? [] : [1, 2, 4].map((size, i) => ({ launcher: installed[i % installed.length]!, size }));
it.each(sizes)('$size processes of $launcher.library: the checkpoints of one', async ({ launcher, size }) => {
  const { code, said, errors } = await start(launcher, size, 'all', { THREADS: `${1 + (size % 3)}` });
  expect(code, errors).toBe(0);
  const { hashes, ...who } = said as { hashes: Record<string, string> };
  expect(who).toEqual({ library: launcher.library, size });
  one ??= hashes;
  expect(hashes).toEqual(one);
  // None is that of another: what each is about has an effect.
  // But for those whose updates are shared out.
  const shared = Object.keys(hashes).filter((name) => name.endsWith('Sharded'));
  expect(shared).toHaveLength(5);
  expect(new Set(Object.values(hashes)).size).toBe(Object.keys(hashes).length - shared.length);
  for (const name of shared) expect([name, hashes[name]]).toEqual([name, hashes[name.slice(0, -'Sharded'.length)]]);
});

describe.runIf(installed.length > 0)('processes', () => {
  it('goes on with another number of processes, and blocks or not, to the same bits', async () => {
    const said: Record<string, { whole: string; tensors: string }> = {};
    for (const [size, name] of Object.entries({ begin: 4, goOn: 2, sync: 2, beginSharded: 4, goOnSharded: 2, wide: 1 }).map(
      ([k, n]) => [n, k] as const,
    )) {
      const ended = await start(next(), size, name);
      expect(ended.code, ended.errors).toBe(0);
      said[name] = ended.said as { whole: string; tensors: string };
    }
    expect(said.sync!.whole).toBe(one!.mlp);
    expect(said.goOn!.tensors).toBe(said.sync!.tensors);
    expect(said.goOnSharded!.tensors).toBe(said.wide!.tensors);
  });

  it('ends a fit that all processes stop after the same epoch', async () => {
    const { code, errors } = await start(next(), 2, 'stopsTogether');
    expect(code, errors).toBe(0);
  });

  it('refuses what processes cannot do together', async () => {
    const { code, said, errors } = await start(next(), 2, 'refused');
    expect(code, errors).toBe(0);
    for (const text of said as string[]) expect(text).toMatch(/^ERR_OPTION: /);
    expect(said).toHaveLength(25);
  });
});

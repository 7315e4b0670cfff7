// train.test.ts: `gradclip train CONFIG --mpi` under mpirun: the files of one process, whatever their number; one of them speaks.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../cli/kit.ts';
import { type Ended, folder, installed, next, start } from './start.ts';

const MAIN = resolve(import.meta.dirname, '../../dist/lib/cli/main.js');
const POINTS = Array.from({ length: 90 }, (_, i) => `${(i * 37) % 11},${(i * 53) % 7},${(i * 29) % 3}`);
const CONFIG = {
  data: { type: 'csv', file: 'points.csv', split: { train: 70, validation: 12, test: 8, order: 'seed' } },
  model: { type: 'mlp', sizes: [2, 12, 3], dropout: 0.2 },
  optimizer: { type: 'adamw', lr: 0.02 },
  clip: { type: 'globalNorm', threshold: 0.5 },
  batchSize: 16,
  epochs: 3,
  threads: 1,
  checkpoint: { file: 'each.safetensors', every: { steps: 4 } },
  save: 'm.safetensors',
  record: 'run.jsonl',
};
interface Line {
  readonly event: string;
}

describe.runIf(installed.length > 0)('processes', () => {
  const here = join(folder, 'train');
  const train = (size: number, ...args: string[]): Promise<Ended> => {
    const config = join(here, 'config.json');
    const launcher = next();
    return start(launcher, size, [MAIN, 'train', config, '--mpi', ...args]);
  };
  const anew = (change: object = {}): void => {
    rmSync(here, { recursive: true, force: true });
    mkdirSync(here, { recursive: true });
    writeFileSync(join(here, 'points.csv'), `${POINTS.join('\n')}\n`);
    writeFileSync(join(here, 'config.json'), JSON.stringify({ ...CONFIG, ...change }));
  };
  const hashOf = (file: string): string =>
    createHash('sha256')
      .update(readFileSync(join(here, file)))
      .digest('hex');

  it('writes the same files for 1, 2 and 4 processes, and tells it once', async () => {
    let one: readonly string[] | null = null;
    for (const size of [1, 2, 4]) {
      anew();
      const { code, all, errors } = await train(size, '--json', '--csv', join(here, 'run.csv'), '--html', join(here, 'run.html'));
      expect(code, errors).toBe(0);
      const events = (all as Line[]).map(({ event }) => event);
      expect(events).toEqual(['start', 'epoch', 'epoch', 'epoch', 'result', 'page']);
      expect(all[0]).toMatchObject({ processes: size, steps: 15 });
      expect(installed.map(({ library }) => library)).toContain((all[0] as { library: unknown }).library);
      const { seconds: _, checkpoint, ...result } = all[4] as Record<string, unknown>;
      expect(checkpoint).toBe(join(here, 'm.safetensors'));
      expect(existsSync(join(here, 'run.html'))).toBe(true);
      const files = [...['m.safetensors', 'each.safetensors', 'run.jsonl'].map(hashOf), JSON.stringify(result)];
      one ??= files;
      expect(files).toEqual(one);
    }
  });

  it('takes keys of groups', async () => {
    const tried = async (change: object): Promise<string> => {
      anew({ model: { type: 'mlp', sizes: [2, 65, 97, 3] }, ...change });
      const { code, errors } = await train(2);
      expect(code, errors).toBe(0);
      // Its header has the configuration.
      const bytes = readFileSync(join(here, 'm.safetensors'));
      return createHash('sha256')
        .update(bytes.subarray(8 + Number(bytes.readBigUInt64LE(0))))
        .digest('hex');
    };
    const plain = await tried({});
    expect(await tried({ shardOptimizer: true, compareEvery: 3 })).toBe(plain);
    expect(await tried({ shards: 4 })).not.toBe(plain);
  });

  it('goes on from a checkpoint, with another number of processes', async () => {
    anew({ shards: 4 });
    expect((await train(2)).code).toBe(0);
    const whole = hashOf('m.safetensors');
    anew({ shards: 4, steps: 7 });
    expect((await train(4)).code).toBe(0);
    writeFileSync(join(here, 'config.json'), JSON.stringify({ ...CONFIG, shards: 4 }));
    const ended = await train(2, '--resume', join(here, 'm.safetensors'));
    expect(ended.code, ended.errors).toBe(0);
    expect(ended.errors).toContain('2 processes of');
    expect(ended.errors).toContain('going on from step 7');
    expect(hashOf('m.safetensors')).toBe(whole);
  });

  it.each([
    ['nobody can read the configuration', {}, ['--out', 'nowhere/m.safetensors'], 2, 'error: '],
    ['the data are not there', { data: { ...CONFIG.data, file: 'none.csv' } }, [], 4, 'none.csv: no such file'],
    [
      'it diverges',
      { loss: 'mse', model: { type: 'mlp', sizes: [2, 8, 1] }, optimizer: { type: 'sgd', lr: 1e30 } },
      [],
      3,
      'steps in a row had a non-finite gradient',
    ],
    ['batches cannot be cut', { batchSize: 12 }, [], 2, 'expected a multiple of the 8 shards, such as 8 or 16, got 12'],
  ])('ends with the code of what is wrong: %s', async (_, change, args, code, text) => {
    anew(change);
    const ended = await train(2, ...args);
    expect(ended.errors).toContain(text);
    expect(ended.code, ended.errors).toBe(code);
  });
});

it.each([
  ['shards', 4],
  ['wire', 'bf16'],
  ['shardOptimizer', true],
  ['compareEvery', 10],
])('refuses %s that nobody has', async (key, value) => {
  const here = join(folder, 'alone');
  mkdirSync(here, { recursive: true });
  writeFileSync(join(here, 'config.json'), JSON.stringify({ ...CONFIG, [key]: value }));
  const { code, stderr } = await run(['train', join(here, 'config.json')]);
  expect(stderr).toContain(`${key}: it is for several processes: give --mpi, too`);
  expect(code).toBe(2);
});

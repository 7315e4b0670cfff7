// together.test.ts: what the processes of a group agree on in a fit: whose state they have, when they end, and that their weights are the same.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loss, nn, optim, Trainer } from '../../lib/index.ts';
import { Group } from '../../lib/mpi/group.ts';
import { apart } from '../../lib/train/run/together.ts';
import { type Ended, folder, installed, next, start } from './start.ts';

type Hashes = Readonly<Record<'whole' | 'tensors', string>>;
const hashesOf = ({ all }: Ended): Hashes => all.find((x) => (x as Partial<Hashes>).whole) as Hashes;
interface Evaluated {
  readonly rank: number;
  readonly said: Readonly<Record<string, readonly unknown[]>>;
  readonly failed: string;
  readonly other: string;
}
interface ShardedRun {
  readonly rank: number;
  readonly said: Readonly<Record<string, { readonly off: number }>>;
  readonly twice: number;
  readonly resumed: readonly boolean[];
  readonly refused: readonly string[];
}
/** By rank. */
const byRank = <T>({ reports }: { readonly reports: readonly unknown[] }): readonly T[] => reports as T[];

describe.runIf(installed.length > 0)('processes', () => {
  const run = async (size: number, name: string): Promise<Ended & { readonly reports: readonly unknown[] }> => {
    const files = Array.from({ length: size }, (_, rank) => join(folder, `${name}.${rank}.json`));
    for (const file of files) rmSync(file, { force: true });
    const ended = await start(next(), size, name);
    expect(ended.code, ended.errors).toBe(0);
    const reports = files.filter((file) => existsSync(file)).map((file) => JSON.parse(readFileSync(file, 'utf8')) as unknown);
    return { ...ended, reports };
  };

  it('has the file of process 0 in all: with load, and with resume within an epoch', async () => {
    const whole = hashesOf(await run(2, 'sync'));
    await run(4, 'begin');
    const loaded = await run(2, 'loads');
    expect(hashesOf(loaded).tensors).toBe(whole.tensors);
    // The others hear of a file that is not there.
    expect(loaded.all).toContainEqual(expect.stringMatching(/^GradclipError: load: process 0: DataError: .*no such file/));
    await run(3, 'within');
    // The steps before were those of three processes.
    expect(hashesOf(await run(2, 'resumes')).tensors).not.toBe(whole.tensors);
    await run(4, 'within');
    expect(hashesOf(await run(2, 'resumes'))).toEqual(whole);
    expect(hashesOf(await run(2, 'resumesNothing'))).toEqual(whole);
  });

  it('takes steps on batches that are given, with the bits of a fit', async () => {
    const wholes: unknown[] = [];
    for (const size of [1, 4]) {
      for (const { said, other, whole } of byRank<{ said: unknown; other: unknown; whole: string }>(await run(size, 'steps'))) {
        expect(said).toEqual([true, [0, 1, 2]]);
        if (size > 1) expect(other).toContain('step: processes of a group have other batches, or are at other steps');
        if (size > 1) wholes.push(whole);
      }
    }
    expect(wholes).toHaveLength(4);
    expect(new Set(wholes).size).toBe(1);
  });

  it('has the secret bits of process 0 in all, and new ones where they go back', async () => {
    const [first, second] = byRank<{ went: number; all: number; keys: number[] }>(await run(2, 'secret'));
    expect(first).toMatchObject({ went: 1, all: 3 });
    expect(second!.keys).toEqual(first!.keys);
  });

  it('goes on without a group within an epoch, and the other way round', async () => {
    for (const { said, refused } of byRank<{ said: readonly { off: number; rows: number; epoch: number }[]; refused: unknown }>(
      await run(2, 'alone'),
    )) {
      for (const { off, ...rest } of said) {
        expect(off).toBeLessThan(1e-6);
        // 16 of the 21 rows that were left were one batch.
        expect(rest).toEqual({ rows: 21, epoch: 2 });
      }
      expect(refused).toContain('sequences go on within an epoch in batches of 2, got 16');
    }
  });

  it('ends after the same step, whoever is asked to, and however', async () => {
    const said = byRank<{ said: readonly unknown[] }>(await run(3, 'stops')).map((x) => x.said);
    const aborted = (text: string): unknown[] => [
      'stopped',
      'stopped',
      6,
      `AbortError: fit: the run was aborted${text}`,
      'seconds',
      'seconds',
    ];
    expect(said[0]).toEqual(aborted(' by process 1: undefined'));
    expect(said[1]).toEqual(aborted(': Error: enough'));
    expect(said[2]).toEqual(said[0]);
  });

  it.each([3, 4])('%i processes measure what one does, with its bits', async (size) => {
    const ended = byRank<Evaluated>(await run(size, 'evaluates'));
    for (const { said, failed, other, rank } of ended) {
      for (const kind of ['many', 'plain', 'one']) {
        // Two that are shared out, one that is not; then the same two ways in batches of 3.
        const [shared, sync, alone, shared3, alone3] = said[kind]!;
        expect([shared, sync]).toEqual([alone, alone]);
        expect(shared3).toEqual(alone3);
        expect(said[kind]).toEqual(ended[0]!.said[kind]);
      }
      expect(said.epochs).toEqual(ended[0]!.said.epochs);
      expect(failed).toContain(
        rank === size - 1 ? 'ERR_INDEX: softmaxCrossEntropy' : `ERR_GROUP: evaluate: process ${size - 1}: IndexError: soft`,
      );
      expect(other).toContain('has other data than process');
    }
    // What a callback of process 0 measured alone is what the validation was.
    const { within, alone } = ended[0]!.said;
    expect(within!.length).toBeGreaterThan(8);
    for (let i = 0; i < within!.length; i += 2) expect(within![i]).toEqual(within![i + 1]);
    expect(within!.at(-1)).toEqual(alone![0]);
  });

  it.each([2, 3])('%i processes train on data of their own as one does on those of all', async (size) => {
    const ended = byRank<ShardedRun>(await run(size, 'sharded'));
    const rows = size * 24;
    const more = ((size - 1) * size) / 2;
    for (const { said, twice, resumed, refused } of ended) {
      for (const { off } of Object.values(said)) expect(off).toBeLessThan(1e-6);
      const found = Object.fromEntries(Object.entries(said).map(([kind, { off: _, ...rest }]) => [kind, rest]));
      const [epochs, uneven] = ['epochs', ['unevenShards']];
      expect(found).toEqual({
        rows: { stopReason: epochs, tried: 4, epochs: 1, warnings: [], rows: rows + 3 * size + more },
        uneven: { stopReason: epochs, tried: 6, epochs: 2, warnings: uneven, rows: 2 * rows },
        stream: { stopReason: epochs, tried: 6, epochs: 2, warnings: uneven, rows: 2 * rows },
        once: { stopReason: 'endOfData', tried: 3, epochs: 1, warnings: uneven, rows },
        list: { stopReason: 'steps', tried: 2, epochs: 1, warnings: [], rows: (2 * rows) / 3 },
      });
      expect(twice).toBe(6);
      expect(resumed).toEqual([true, true]);
      expect(refused).toEqual([
        'fit: option sharded: the data of a group of processes are sharded, and the trainer has no group',
        'fit: option sharded: all processes of a group would draw the same stream: with sharded: true each gives batches of its own',
        size === 2
          ? 'nothing'
          : 'fit: option shards: 8 parts of a batch cannot be those of 3 processes, each of its own rows: give a multiple',
      ]);
    }
  });

  it('ends in all where weights come apart in one, with the name of the first', async () => {
    const text =
      'fit: process 1 has other values of second.weight than process 0 after 16 updates: whatever writes weights must do so in all processes alike';
    for (const { code, message, details } of byRank<{ code: string; message: string; details: unknown }>(
      await run(3, 'drifts'),
    )) {
      expect([code, message]).toEqual(['ERR_GROUP', text]);
      expect(details).toEqual({ name: 'second.weight', rank: 1, step: 16 });
    }
  });
});

describe('a group of one', () => {
  const alone = new Group(0, 1, null, {} as never);
  const trainer = (): Trainer<nn.Linear> =>
    new Trainer({
      model: new nn.Linear(2, 1),
      loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
      optimizer: optim.sgd(),
      group: alone,
      batchSize: 8,
    });
  const batch = { x: [[1, 2]], y: [[3]] };

  it('ends at once, though its stream has nothing yet', async () => {
    const stream = async function* () {
      yield batch;
      await new Promise(() => {});
    };
    const timed = await trainer().fit(stream, { sharded: true, seconds: 0.2 });
    expect(timed).toMatchObject({ stopReason: 'seconds', tried: 1 });
    const run = trainer().fit(stream, { sharded: true });
    for await (const _ of run) break;
    run.stop();
    expect(await run).toMatchObject({ stopReason: 'stopped', tried: 1 });
    const signal = AbortSignal.timeout(200);
    await expect(trainer().fit(stream, { sharded: true, signal })).rejects.toThrow('fit: the run was aborted');
  });

  it('takes steps, and measures', async () => {
    const t = trainer();
    const data = {
      x: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      y: [[1], [2], [3]],
    };
    const { loss: before } = await t.evaluate(data);
    const { loss: first } = await t.step(data);
    expect(first).toBeCloseTo(before, 5);
    expect(t.evaluateSync(data).loss).toBeLessThan(before);
  });
});

describe('which weight differs, and in which process', () => {
  const prints = (...digits: string[]): (readonly [string, string])[] => digits.map((d, i) => [`w${i}`, d]);
  it.each([
    ['that of process 0 counts where two differ', [prints('a', 'b'), prints('a', 'c')], { name: 'w1', rank: 1, than: 0 }],
    ['one of three', [prints('x', 'b'), prints('a', 'b'), prints('a', 'b')], { name: 'w0', rank: 0, than: 1 }],
    [
      'the first of several',
      [prints('a', 'b', 'c'), prints('a', 'b', 'c'), prints('a', 'x', 'y')],
      { name: 'w1', rank: 2, than: 0 },
    ],
  ])('%s', (_, all, found) => {
    expect(apart(all)).toEqual(found);
  });
});

// cores.test.ts: threads that processes of a group have by default, where they share machines.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cpusOf, type Seat, seat, threadsAt } from '../../lib/mpi/cores.ts';
import { addon } from '../../lib/native/addon.ts';

const range = (from: number, n: number): number[] => Array.from({ length: n }, (_, i) => from + i);

it.each([
  ['0-3', [0, 1, 2, 3]],
  ['\t5\n', [5]],
  ['0-1,8,10-11', [0, 1, 8, 10, 11]],
  ['', null],
  ['all', null],
  ['0-', null],
])('CPUs of %j', (list, cpus) => {
  expect(cpusOf(list)).toEqual(cpus);
});

it.runIf(process.platform === 'linux')('this process knows its own', () => {
  expect(seat().cpus!.length).toBeGreaterThanOrEqual(addon().threads.count);
});

describe('threads', () => {
  const on = (host: string, cpus: number[] | null): Seat => ({ host, cpus });
  it.each([
    ['of one that is alone', [on('a', range(0, 8))], [8], [8]],
    ['of four that share all CPUs', Array(4).fill(on('a', range(0, 8))), [8, 8, 8, 8], [2, 2, 2, 2]],
    ['of more than there are CPUs', Array(3).fill(on('a', [0, 1])), [2, 2, 2], [1, 1, 1]],
    ['of three on eight CPUs', Array(3).fill(on('a', range(0, 8))), [8, 8, 8], [2, 2, 2]],
    [
      'of such as are bound, each to its own',
      [0, 1, 2, 3].map((r) => on('a', range(4 * r, 4))),
      Array(4).fill(4),
      Array(4).fill(4),
    ],
    ['of two on each socket', [0, 0, 8, 8].map((from) => on('a', range(from, 8))), Array(4).fill(8), Array(4).fill(4)],
    ['of two machines', [on('a', range(0, 4)), on('b', range(0, 4)), on('b', range(0, 4))], [4, 4, 4], [4, 2, 2]],
    ['of one bound beside one that is not', [on('a', [0, 1]), on('a', range(0, 8))], [2, 8], [1, 7]],
    ['of a quota of 4 CPUs on 16', Array(2).fill(on('a', range(0, 16))), [4, 4], [2, 2]],
    ['where nobody knows the CPUs', Array(3).fill(on('a', null)), [10, 10, 10], [3, 3, 3]],
  ])('%s', (_, seats, counts, found) => {
    expect(seats.map((_s, rank) => threadsAt(seats, rank, counts[rank]!))).toEqual(found);
  });

  it('of all on a machine are no more than its CPUs, but for one each; and none has more than alone', () => {
    const seats = fc.array(fc.record({ host: fc.constantFrom('a', 'b'), cpus: fc.uniqueArray(fc.nat(12), { minLength: 1 }) }), {
      minLength: 1,
      maxLength: 9,
    });
    fc.assert(
      fc.property(seats, (all) => {
        for (const host of ['a', 'b']) {
          const ranks = [...all.keys()].filter((rank) => all[rank]!.host === host);
          const threads = ranks.map((rank) => threadsAt(all, rank, all[rank]!.cpus.length));
          const cpus = new Set(ranks.flatMap((rank) => all[rank]!.cpus));
          for (const [i, rank] of ranks.entries()) {
            expect(threads[i]).toBeGreaterThanOrEqual(1);
            expect(threads[i]).toBeLessThanOrEqual(all[rank]!.cpus.length);
          }
          expect(threads.reduce((sum, n) => sum + n - 1, 0)).toBeLessThanOrEqual(cpus.size);
        }
      }),
    );
  });
});

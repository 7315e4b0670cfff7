// words.test.ts: what processes tell each other, by a double of the wire within one process: each message goes to whom it is for, and nobody waits for
// one that nobody sends.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GradclipError } from '../../lib/errors.ts';
import { agree, isKnown, largest, type Peers, share } from '../../lib/mpi/words.ts';

/** Processes whose messages lie in queues between each two. A message of another length than is waited for fails, as MPI does. */
class Wires {
  readonly #queues = new Map<string, Uint8Array[]>();
  readonly #waiting = new Map<string, (message: Uint8Array) => void>();
  /** Messages that were sent. */
  sent = 0;

  peers(size: number): Peers[] {
    return Array.from({ length: size }, (_, rank) => ({ rank, size, mpi: { exchange: this.#exchange(rank), exchangeSync } }));
  }
  get left(): number {
    return [...this.#queues.values()].reduce((sum, { length }) => sum + length, 0);
  }

  #exchange(rank: number): Peers['mpi']['exchange'] {
    return async (peer, out, bytes) => {
      expect(peer).not.toBe(rank);
      if (out.length > 0) this.#send(`${rank} ${peer}`, out.slice());
      if (bytes === 0) return new ArrayBuffer(0);
      const message = await this.#receive(`${peer} ${rank}`);
      expect(message.length).toBe(bytes);
      return message.buffer as ArrayBuffer;
    };
  }
  #send(line: string, message: Uint8Array): void {
    this.sent++;
    const waiting = this.#waiting.get(line);
    this.#waiting.delete(line);
    if (waiting) waiting(message);
    else this.#queues.set(line, [...(this.#queues.get(line) ?? []), message]);
  }
  #receive(line: string): Promise<Uint8Array> {
    const first = this.#queues.get(line)?.shift();
    return first ? Promise.resolve(first) : new Promise((resolve) => void this.#waiting.set(line, resolve));
  }
}
const exchangeSync = (): never => {
  throw new Error('nothing blocks here');
};

const errorsOf = async (all: readonly Promise<unknown>[]): Promise<GradclipError[]> =>
  (await Promise.allSettled(all)).map((r) => (r as PromiseRejectedResult).reason as GradclipError);

describe('what each gives', () => {
  it('all have it, by rank, of any length', async () => {
    const given = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 17 });
    await fc.assert(
      fc.asyncProperty(given, async (all) => {
        const wires = new Wires();
        const peers = wires.peers(all.length);
        const found = await Promise.all(peers.map((p, r) => share(p, 'here', { facts: { a: 'b' }, bytes: all[r]! }).later()));
        for (const each of found) expect(each.map((b) => [...b])).toEqual(all.map((b) => [...b]));
        expect(wires.left).toBe(0);
      }),
    );
  });

  it('takes as many rounds as the tree is deep', async () => {
    const wires = new Wires();
    await Promise.all(wires.peers(256).map((p) => largest(p, 'here', [p.rank]).later()));
    // Each but process 0 sends one up and gets one back.
    expect(wires.sent).toBe(2 * 255);
  });
});

it('of numbers, all have the largest', async () => {
  const number = fc.oneof(fc.double({ noNaN: true }), fc.constant(Number.NEGATIVE_INFINITY), fc.maxSafeInteger());
  const rows = fc
    .integer({ min: 0, max: 10 })
    .chain((n) => fc.array(fc.array(number, { minLength: n, maxLength: n }), { minLength: 1, maxLength: 13 }));
  await fc.assert(
    fc.asyncProperty(rows, async (all) => {
      const wires = new Wires();
      const found = await Promise.all(wires.peers(all.length).map((p, r) => largest(p, 'here', all[r]!).later()));
      const expected = all[0]!.map((_, i) => Math.max(...all.map((row) => row[i]!)));
      for (const each of found) expect(each).toEqual(expected);
      expect(wires.left).toBe(0);
    }),
  );
});

it('the last are added, where that is asked for', async () => {
  const found = await Promise.all(new Wires().peers(5).map((p) => largest(p, 'here', [p.rank, -p.rank, p.rank, 1], 2).later()));
  for (const each of found) expect(each).toEqual([4, -0, 10, 5]);
});

describe('what differs', () => {
  it('is named, with whose it is', async () => {
    const errors = await errorsOf(
      new Wires().peers(3).map((p) => agree(p, 'fit', { seed: '0', data: `${p.rank === 2}` }).later()),
    );
    expect(errors[0]!.message).toContain('fit: process 0 has other data than process 2: false and true;');
    expect(errors[1]!.message).toContain('fit: process 1 has other data than process 2: false and true;');
    expect(errors[2]!.message).toContain('fit: process 2 has other data than process 0: true and false;');
    for (const { code } of errors) expect(code).toBe('ERR_GROUP');
    expect(errors[0]!.details).toEqual({ what: 'data', rank: 2 });
  });

  it('is told where one has failed', async () => {
    const wires = new Wires();
    const facts = (rank: number): Record<string, string> =>
      rank === 1 ? { failure: 'DataError: no such file' } : { place: 'load' };
    const [first, own, last] = await Promise.allSettled(wires.peers(3).map((p) => agree(p, 'load', facts(p.rank)).later()));
    for (const one of [first, last]) {
      const { reason } = one as PromiseRejectedResult;
      expect(reason.message).toBe('load: process 1: DataError: no such file');
      expect(isKnown(reason)).toBe(true);
    }
    // It has an error of its own.
    expect(own!.status).toBe('fulfilled');
    expect(isKnown(new Error('of one process'))).toBe(false);
  });

  it('is a place of which nobody else has heard', async () => {
    const [a, b] = new Wires().peers(2);
    const one = largest(a!, 'a step', [1]).later();
    const other = agree(b!, 'the end', {}).later();
    await expect(one).rejects.toThrow('a step: process 1 does something else than process 0: all processes of a group');
    // Process 1 waits for what never comes: the error of process 0 ends the job.
    void other;
  });
});

// workload-checks.ts: what is asked of a workload: data by seed, training that beats knowing nothing, and bits that threads do not change.
import { beforeAll, describe, expect, test } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { numbersOf } from '../../lib/lab/data/ignorant.ts';
import type { LabData, LabSet, LabWorkload } from '../../lib/lab/workload.ts';
import type { Arrays } from '../../lib/train/feed/source.ts';
import { Trainer } from '../../lib/train/index.ts';

/** The bytes of a set, by the names of its arrays. */
function contents(set: LabSet): Record<string, Uint8Array> {
  const names = set.data instanceof Map ? [...set.data.keys()] : Object.keys(set);
  const bytes = (name: string): Uint8Array => {
    const { buffer, byteOffset, byteLength } = numbersOf(set, name) as Float32Array;
    return new Uint8Array(buffer, byteOffset, byteLength);
  };
  return Object.fromEntries(names.map((name) => [name, bytes(name)]));
}
const SETS = ['train', 'validation', 'test'] as const;

interface Trained {
  readonly loss: number;
  readonly norm: number;
}
function train(workload: LabWorkload, kind: 'sgd' | 'adam', data: LabData, steps: number, threads: number): Trained {
  const { loss, batchSize } = workload;
  const optimizer = workload.optimizers[kind]();
  using trainer = new Trainer({
    model: workload.model(),
    loss,
    optimizer,
    clip: clip.globalNorm(1),
    batchSize,
    threads,
    seed: 5,
  });
  const { last } = trainer.fitSync(data.train as Arrays, { steps });
  return { loss: trainer.evaluateSync(data.test as Arrays).loss, norm: last!.norm };
}

/** Tests of each of them. */
export function checkAll(workloads: ReadonlyMap<string, LabWorkload>): void {
  describe.each([...workloads.values()])('$name', (workload) => {
    let data: LabData;
    beforeAll(() => {
      data = workload.data(5);
    });

    test('is drawn by its seed: sets of the same sizes and other rows', () => {
      const [again, other] = [workload.data(5), workload.data(6)];
      for (const set of SETS) {
        const [same, others] = [contents(again[set]), contents(other[set])];
        for (const [name, bytes] of Object.entries(contents(data[set]))) {
          expect(Buffer.compare(bytes, same[name]!)).toBe(0);
          expect(others[name]!.length).toBe(bytes.length);
          expect(Buffer.compare(bytes, others[name]!)).not.toBe(0);
          for (const second of SETS.filter((name) => name !== set)) {
            expect(Buffer.compare(bytes, contents(data[second])[name]!)).not.toBe(0);
          }
          expect(Array.prototype.every.call(numbersOf(data[set], name), Number.isFinite)).toBe(true);
        }
      }
    });

    test.each(['sgd', 'adam'] as const)('trains with %s and the usual clip', (kind) => {
      const { loss } = train(workload, kind, data, workload.steps, 1);
      expect(loss).toBeLessThan(0.9 * workload.ignorant(data));
    });

    test('the same bits with three threads', () => {
      for (const kind of ['sgd', 'adam'] as const)
        expect(train(workload, kind, data, 12, 3)).toEqual(train(workload, kind, data, 12, 1));
    });
  });
}

// workloads.test.ts: each workload of the laboratory trains, is drawn by its seed, and gives the same bits with any number of threads.
import { expect, test } from 'vitest';
import { KINDS } from '../../lib/lab/workload.ts';
import { WORKLOADS } from '../../lib/lab/workloads/list.ts';
import { checkAll } from './workload-checks.ts';

test('24, by names that are theirs, of all kinds', () => {
  expect([...WORKLOADS.keys()]).toEqual([
    ...['mlp-tiny', 'mlp-small', 'mlp-large', 'lenet', 'resnet20', 'char-rnn', 'char-lstm', 'char-gru', 'rnn-adding'],
    ...['ncf', 'ncf-sparse', 'gpt-nano', 'deep-tanh', 'identity-rnn', 'temporal-order', 'copying', 'deep-transformer'],
    ...['heavy-tails', 'label-noise', 'class-imbalance', 'rare-huge-inputs', 'large-batch', 'small-batch', 'zipf-embeddings'],
  ]);
  for (const [name, workload] of WORKLOADS) {
    expect(workload.name).toBe(name);
    expect(workload.about).not.toMatch(/\n|\.$/);
  }
  expect(new Set([...WORKLOADS.values()].map(({ kind }) => kind))).toEqual(new Set(KINDS));
});

checkAll(WORKLOADS);

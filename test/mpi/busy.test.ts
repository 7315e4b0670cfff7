// busy.test.ts: one call of a group at a time, in a group of one as in any; and how a group is printed.
import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { BusyError } from '../../lib/errors.ts';
import { loss, mpi, nn, optim, Trainer } from '../../lib/index.ts';

/** What a call fails with, at once or later. */
const rejected = (call: () => PromiseLike<unknown>): Promise<unknown> =>
  (async () => call())().then(
    () => null,
    (error) => error,
  );

const group = await mpi.init();
const made = () =>
  new Trainer({
    model: new nn.Linear(2, 1),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    ...{ group, shards: 2, batchSize: 4 },
  });
const x = Array.from({ length: 8 }, (_, i) => [i / 8, 1]);
const data = { x, y: x.map(([v]) => [v!]) };

it('two fits at once are refused, whose steps would be mixed up', async () => {
  const [one, other] = [made(), made()];
  const fit = one.fit(data, { epochs: 3 });
  const error = await rejected(() => other.fit(data, { epochs: 1 }));
  expect(error).toBeInstanceOf(BusyError);
  expect((error as Error).message).toBe('fit: a fit of this group is not done; await it first');
  expect(((await rejected(() => group.barrier())) as Error).message).toBe(
    'barrier: a fit of this group is not done; await it first',
  );
  expect((await fit).tried).toBe(6);
  // What was refused leaves nothing behind.
  expect((await other.fit(data, { epochs: 1 })).tried).toBe(2);
  expect(other.fitSync(data, { epochs: 1 }).tried).toBe(2);
  await group.barrier();
});

it('a fit that fails lets others go on', async () => {
  const one = made();
  const bad = { x: [[Number.NaN, 1]].concat(x.slice(1)), y: data.y };
  expect(await rejected(() => one.fit(bad, { epochs: -1 }))).toBeInstanceOf(Error);
  const throwing = { onEpoch: () => Promise.reject(new Error('of a callback')) };
  expect(((await rejected(() => one.fit(data, { epochs: 2, callbacks: [throwing] }))) as Error).message).toContain(
    'of a callback',
  );
  expect((await made().fit(data, { epochs: 1 })).tried).toBe(2);
});

it('prints itself, with no colors', () => {
  expect(inspect(group, { colors: true })).toMatch(/^Group \{ rank: 0, size: 1, library: (null|'[\w ]+') \}$/);
});

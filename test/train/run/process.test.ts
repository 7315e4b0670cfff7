// process.test.ts: trainers and the ends of processes and worker threads; the event loop during a step.
import { expect, it } from 'vitest';
import { loss, nn, ops, optim, Trainer } from '../../../lib/index.ts';
import { child } from '../../children/kit.ts';
import { uniform } from '../../golden/runs/recipe.ts';

it('a run that nobody awaits keeps the process alive until it is done, and no longer', async () => {
  expect(await child('process.js', ['unawaited'])).toMatchObject({ code: 0, lines: [60], errors: '' });
});

it('a run that nobody awaits and that fails is an unhandled rejection', async () => {
  const ended = await child('process.js', ['rejected']);
  expect(ended).toMatchObject({ code: 1, signal: null });
  expect(ended.errors).toContain("code: 'ERR_INDEX'");
});

it.each(['exit', 'exitBusy'])('process.exit with a run pending: %s', async (name) => {
  expect(await child('process.js', [name])).toMatchObject({ code: 7, signal: null, errors: '' });
});

it('four worker threads train at once, one is terminated half-way: same bits, threads bounded', async () => {
  const ended = await child('process.js', ['workers'], { env: { GRADCLIP_THREADS: '2' } });
  expect(ended).toMatchObject({ code: 0, errors: '', lines: [{ same: [true, true, true] }] });
  const { before, most } = ended.lines[0] as { before: number; most: number };
  // Per environment: its own thread, one that runs programs, and one more of the team.
  expect(most).toBeLessThanOrEqual(before + 4 * 3);
});

it('worker threads that end with a fit pending, again and again', async () => {
  expect(await child('process.js', ['churn'])).toMatchObject({ code: 0, lines: ['done'], errors: '' });
});

// The delay of mlp-large in milliseconds: npm run measure:event-loop.
it('timers fire during a step', async () => {
  const [rows, width] = [64, 1024];
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(width, width), ops.relu, new nn.Linear(width, width)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.adamw(),
    batchSize: rows,
  });
  const data = {
    x: { data: uniform(1, rows * width), shape: [rows, width] },
    y: { data: uniform(2, rows * width), shape: [rows, width] },
  };
  let turns = 0;
  let running = true;
  const count = (): void => {
    turns++;
    if (running) setImmediate(count);
  };
  setImmediate(count);
  const result = await trainer.fit(data, { steps: 3, chunkSteps: 1 });
  running = false;
  expect(result.applied).toBe(3);
  // At least some tens in each step, which is one native call.
  expect(turns).toBeGreaterThan(100);
  trainer.dispose();
});

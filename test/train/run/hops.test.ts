// hops.test.ts: how many functions a reader follows from `trainer.fit` to the program that runs the steps.
import { afterEach, expect, it, vi } from 'vitest';
import { loss, nn, optim, Trainer } from '../../../lib/index.ts';
import { BoundProgram } from '../../../lib/native/program.ts';

/** The stacks on the way: where the loop is handed to what performs it, where it asks for the last effect, and where that runs the program. */
const seen: { driven: string[]; asked: string[]; run: string[] } = { driven: [], asked: [], run: [] };

vi.mock('../../../lib/train/flow/effect.ts', async (original) => {
  const real = await original<typeof import('../../../lib/train/flow/effect.ts')>();
  return {
    ...real,
    drive(loop: Parameters<typeof real.drive>[0]) {
      seen.driven = stack();
      return real.drive(loop);
    },
    driveSync(loop: Parameters<typeof real.driveSync>[0]) {
      seen.driven = stack();
      return real.driveSync(loop);
    },
    *perform(effect: Parameters<typeof real.perform>[0]) {
      seen.asked = stack();
      return yield* real.perform(effect);
    },
  };
});

/** Functions of the library that are at work, the innermost first: `run/fit.ts Fit.loop`. */
function stack(): string[] {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 200;
  const lines = new Error('here').stack!.split('\n').slice(1);
  Error.stackTraceLimit = before;
  return lines.flatMap((line) => {
    const [, name, file] = /at (?:async )?(?:(.+?) )?\(?(?:file:\/\/)?[^ ]*\/lib\/([^ ]+?\.ts)/.exec(line) ?? [];
    return file === undefined ? [] : [`${file} ${name ?? line}`];
  });
}

afterEach(() => vi.restoreAllMocks());

/** Of functions at work, those between two: inside of one, outside of the other. */
function between(stack: readonly string[], outer: string): string[] {
  const end = stack.findIndex((name) => name.endsWith(` ${outer}`));
  expect(end, `${outer} is not among ${stack.join(', ')}`).toBeGreaterThanOrEqual(0);
  return stack.slice(0, end);
}

// What a reader follows: who hands the loop to what performs it, the loops within each other down to the one that asks for a run, and who runs it then.
it.each([
  ['fit', 'run', 'drive'],
  ['fitSync', 'runSync', 'driveSync'],
] as const)('%s', async (method, run, drive) => {
  const real = BoundProgram.prototype[run] as (...args: unknown[]) => unknown;
  const ways: (typeof seen)[] = [];
  vi.spyOn(BoundProgram.prototype, run).mockImplementation(function (this: BoundProgram, ...args: unknown[]) {
    ways.push({ ...seen, run: stack() });
    return real.apply(this, args) as never;
  });
  const trainer = new Trainer({
    model: new nn.Linear(2, 1),
    loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
    optimizer: optim.sgd(),
  });
  await trainer[method]({ x: [[1, 2]], y: [[3]] }, { steps: 3, chunkSteps: 1 });
  expect(ways.length).toBe(3);
  for (const { driven, asked, run } of ways) {
    const way = [
      ...between(driven, `Trainer.${method}`).reverse(),
      drive,
      ...between(asked, `Module.${drive}`).reverse(),
      ...between(run, `Module.${drive}`).reverse(),
    ];
    // And the last hop, into the program.
    expect(way.length + 1, way.join(' > ')).toBeLessThanOrEqual(5);
    expect(way).toContain('train/run/loop.ts fitLoop');
  }
});

// uncaught.test.ts: an error that nobody catches is short, says first what is wrong, and where: in lib/, and in the user's file.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { DataError, type GradclipError, ShapeError } from '../../lib/errors.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'gradclip-uncaught-'));
afterAll(() => rmSync(folder, { recursive: true }));

const GRADCLIP = pathToFileURL(join(root, 'dist/bundle/index.js')).href;
const TRAIN = `const fit = (model) => new Trainer({
  model,
  loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y), // the user's line
  optimizer: optim.sgd({ lr: 0.1 }),
}).fit({ x: { data: new Float32Array(32), shape: [8, 4] }, y: new Int32Array(8) }, { steps: 1 });
let model = new nn.Linear(5, 2);
for (let k = 0; k < 20; k++) model = new nn.Sequential(model);
`;

/** A program, what it says first, and what the line of lib/ has that is named first. */
const PROGRAMS: Record<string, readonly [source: string, says: string, line: string]> = {
  'an option': [
    `optim.sgd({ lr: 0.1, momentun: 0.9 }); // the user's line`,
    'OptionError [ERR_OPTION]: optim.sgd: unknown option momentun; did you mean momentum?',
    'new OptionError(',
  ],
  'thrown where Node shows the line that throws': [
    `setTimeout(() => optim.sgd({ lr: 0.1, momentun: 0.9 })); // the user's line`,
    'OptionError [ERR_OPTION]: optim.sgd: unknown option momentun',
    'new OptionError(',
  ],
  'a shape, deep in a model': [
    `${TRAIN}await fit(model);`,
    `ShapeError [ERR_SHAPE]: ${Array(20).fill(0).join('.')}: linear: expected x [..., 5] for a weight of [2,5], got [8,4]`,
    'new ShapeError(',
  ],
  'much in its details': [
    `const names = Array(1000).fill('x'.repeat(1000));
throw new GradclipError('ERR_MUCH', 'much', { names, data: new Float32Array(1e4) }, { cause: new DataError('c', { names }) }); // the user's line`,
    'GradclipError [ERR_MUCH]: much',
    '',
  ],
  'a rejection that nobody handles': [
    `const read = () => io.readNpy('/'); // the user's line
void read();`,
    'DataError [ERR_DATA]: /: ',
    '',
  ],
};

const WORKER = `import { Worker } from 'node:worker_threads'; new Worker(new URL(process.argv[2], import.meta.url));`;

describe.each(['main', 'worker'])('in a %s', (where) => {
  test.each(Object.entries(PROGRAMS))('%s', (name, [source, says, line]) => {
    const file = `${name.replace(/\W+/g, '-')}.mjs`;
    writeFileSync(
      join(folder, file),
      `import { DataError, GradclipError, io, loss, nn, optim, Trainer } from '${GRADCLIP}';\n${source}`,
    );
    writeFileSync(join(folder, 'worker.mjs'), WORKER);
    const run = where === 'main' ? [file] : ['worker.mjs', `./${file}`];
    for (const options of [[], ['--enable-source-maps']]) {
      const { status, stderr } = spawnSync(process.execPath, [...options, ...run], { cwd: folder, encoding: 'utf8' });
      expect(status).toBe(1);
      expect(stderr.length).toBeLessThan(3000);
      expect(stderr.split('\n').find((text) => /^\w*Error/.test(text))).toContain(says);
      // Mapped by Node, the sources have their whole path.
      const places = [...stderr.matchAll(/(?:gradclip|\(\/.*)\/(lib\/[\w/-]+\.ts):(\d+)/g)];
      if (line !== '') expect(lineOf(root, places[0]!)).toContain(line);
      for (const place of places) expect(lineOf(root, place)).toMatch(/\w/);
      // What is not ours, such as an error of the system, is as Node has it.
      expect(stderr.split('[cause]')[0]).not.toMatch(/at .*dist\/bundle\/shared/);
      const users = [...stderr.matchAll(/(\w[\w-]+\.mjs):(\d+)/g)].map(([, f, at]) => lineOf(folder, ['', f!, at!]));
      if (name !== 'a rejection that nobody handles') expect(users).toContainEqual(expect.stringContaining("// the user's line"));
    }
  });
});

function lineOf(base: string, [, file, line]: readonly string[]): string {
  return readFileSync(join(base, file!), 'utf8').split('\n')[Number(line) - 1]!;
}

test('the stack follows the message and its name', () => {
  const error = new ShapeError('matmul: expected [4,3]');
  expect(error.stack).toMatch(/^ShapeError \[ERR_SHAPE\]: matmul: expected \[4,3\]\n {4}at .*uncaught\.test\.ts/);
  error.inLayer('fc');
  expect(error.stack).toMatch(/^ShapeError \[ERR_SHAPE\]: fc: matmul: expected \[4,3\]\n {4}at /);
  expect(inspect(error)).toContain(`${error.stack} { details: { layer: 'fc' } }`);
  expect(structuredClone(error).stack).toBe(error.stack);
  expect(Object.keys(error)).not.toContain('stack');
  error.stack = 'mine';
  expect(error.stack).toBe('mine');
});

test('a limit of calls is respected, and stays as it was', () => {
  const before = Error.stackTraceLimit;
  const deep = (n: number): GradclipError => (n > 0 ? deep(n - 1) : new DataError('deep'));
  const calls = (): number => deep(300).stack!.split('\n').length - 1;
  try {
    for (const [limit, told] of [
      [0, 0],
      [10, 12],
      [50, 50],
      [Number.POSITIVE_INFINITY, 300],
    ] as const) {
      Error.stackTraceLimit = limit;
      expect(calls()).toBeGreaterThanOrEqual(told);
      if (limit <= 50) expect(calls()).toBe(told);
      expect(Error.stackTraceLimit).toBe(limit);
    }
  } finally {
    Error.stackTraceLimit = before;
  }
});

// exit.test.ts: the codes that a command ends with are those that --help lists, for each way to come to them.
import { describe, expect, it } from 'vitest';
import { EXIT, exitCodeOf } from '../../lib/cli/exit.ts';
import { GradclipError, GuardError, NonFiniteError, SkipError } from '../../lib/errors.ts';
import { folder, run } from './kit.ts';

const CONFIG = {
  data: { type: 'csv', file: 'points.csv', split: { train: 40, validation: 0, test: 10, order: 'file' } },
  model: { type: 'mlp', sizes: [2, 8, 2] },
  optimizer: { type: 'sgd', lr: 0.1 },
  epochs: 2,
  save: 'm.safetensors',
  threads: 1,
};
const config = (change: object): string => JSON.stringify({ ...CONFIG, ...change });
const csv = (file: string): object => ({ ...CONFIG.data, file });
const value = { loss: 'mse', model: { type: 'mlp', sizes: [2, 8, 1] } };
const FILES = {
  'points.csv': Array.from({ length: 50 }, (_, i) => `${i % 7},${i % 5},${i % 2}\n`).join(''),
  'inputs.csv': '1,2\n3,4\n',
  'words.csv': '1,2,0\n1,x,1\n',
  'labels.csv': '1,2,0\n1,2,7\n'.repeat(30),
  'text.safetensors': 'no weights',
  'good.json': config({}),
  'whole.json': config({ data: { ...CONFIG.data, split: { validation: 0, test: 0 } } }),
  'recorded.json': config({ record: 'run.jsonl' }),
  'half.json': '{ "data": ',
  'key.json': config({ modle: 1 }),
  'width.json': config({ model: { type: 'mlp', sizes: [5, 8, 2] } }),
  'absent.json': config({ data: csv('none.csv') }),
  'words.json': config({ data: csv('words.csv') }),
  'labels.json': config({ data: csv('labels.csv') }),
  'diverges.json': config({ ...value, optimizer: { type: 'sgd', lr: 1e30 }, epochs: 50 }),
  'guarded.json': config({ guards: [{ type: 'loss', max: 1e-9, action: 'stop' }] }),
};

/** Commands, one after the other in one folder, with the code of the last. */
const WAYS: readonly (readonly [code: number, commands: readonly string[]])[] = [
  [0, ['--help']],
  [0, ['train --help']],
  [0, ['--version']],
  [0, ['train good.json']],
  [0, ['train whole.json']],
  [0, ['train good.json', 'predict m.safetensors inputs.csv']],
  [0, ['train good.json', 'inspect m.safetensors']],
  [2, ['bogus']],
  [2, ['train']],
  [2, ['train good.json more']],
  [2, ['train good.json --oot x']],
  [2, ['train good.json --seeds 0']],
  [2, ['train none.json']],
  [2, ['train half.json']],
  [2, ['train key.json']],
  [2, ['train width.json']],
  [2, ['train good.json --out none/m.safetensors']],
  [3, ['train diverges.json']],
  [3, ['train guarded.json']],
  [4, ['train absent.json']],
  [4, ['train words.json']],
  [4, ['train labels.json']],
  [4, ['train good.json --data none']],
  [4, ['train good.json --resume text.safetensors']],
  [4, ['predict text.safetensors inputs.csv']],
  [4, ['train good.json', 'predict m.safetensors none.csv']],
  [4, ['train good.json', 'predict m.safetensors words.csv']],
  [4, ['train good.json', 'predict m.safetensors points.csv']],
  [4, ['train good.json', 'sample m.safetensors']],
  [4, ['inspect none']],
  [4, ['inspect text.safetensors']],
  [0, ['train recorded.json', 'report run.jsonl']],
  [4, ['report none.jsonl']],
  [4, ['watch points.csv']],
  [4, ['clip-report none.jsonl']],
  [4, ['clip-report points.csv']],
];

describe.each(WAYS)('%i', (code, commands) => {
  it(commands.join(' && '), async () => {
    const cwd = folder(FILES);
    for (const [i, command] of commands.entries()) {
      const ran = await run(command.split(' '), { cwd });
      expect(ran.code, ran.stderr).toBe(i + 1 < commands.length ? 0 : code);
      expect(/^error: .+/m.test(ran.stderr)).toBe(ran.code !== 0);
    }
  });
});

it('an interruption is told from a termination', async () => {
  for (const [cause, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['EPIPE', 1],
  ] as const) {
    const controller = new AbortController();
    controller.abort(cause);
    expect((await run(['train', 'good.json'], { cwd: folder(FILES), signal: controller.signal })).code).toBe(code);
  }
});

it('--help lists all of them', async () => {
  const { stdout } = await run(['--help']);
  const listed = stdout.slice(stdout.indexOf('Exit codes:')).match(/(?<=^ +|, )\d+(?= )/gm);
  expect(listed).toEqual(['0', '1', '2', '3', '4', '130', '143']);
});

it('nothing but spikes is diverged, as what is not finite and what a guard stops', () => {
  const errors = [new SkipError('x'), new NonFiniteError('x'), new GuardError('x'), new GradclipError('ERR_BUSY', 'x')];
  expect(errors.map(exitCodeOf)).toEqual([EXIT.diverged, EXIT.diverged, EXIT.diverged, EXIT.runtime]);
});

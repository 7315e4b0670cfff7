// sample.test.ts: `gradclip sample` goes on with what a model has learned, from the checkpoint alone.
import { expect, it } from 'vitest';
import { folder, type Ran, run } from './kit.ts';

const config = {
  data: { type: 'text', file: 'text.txt', length: 16, split: { train: 0.9 } },
  model: { type: 'charRnn', embedding: 8, hidden: 16 },
  optimizer: { type: 'radam', lr: 0.02, lookahead: { k: 3 } },
  batchSize: 8,
  steps: 120,
  threads: 1,
};

/** A folder with the checkpoint of a model that has learned that h is followed by a. */
async function trained(change: object = {}, text = 'abcdefgh'): Promise<string> {
  const cwd = folder({ 'text.txt': text.repeat(120), 'c.json': JSON.stringify({ ...config, ...change }) });
  const { code, stderr } = await run(['train', 'c.json', '--out', 'm.safetensors'], { cwd });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return cwd;
}
const write = (cwd: string, ...flags: string[]): Promise<Ran> => run(['sample', 'm.safetensors', ...flags], { cwd });

it.each([
  ['charRnn', {}],
  ['lstm', { model: { ...config.model, kind: 'lstm', layers: 2 }, steps: 200 }],
  ['gru', { model: { ...config.model, kind: 'gru' } }],
  ['gpt', { model: { type: 'gpt', layers: 2, heads: 2, width: 32 }, optimizer: { type: 'adamw', lr: 0.01 } }],
  ['bytes', { data: { ...config.data, tokenizer: 'byte' }, steps: 300 }],
])('%s writes on', async (_, change) => {
  const cwd = await trained(change);
  const { code, stdout, stderr } = await write(cwd, '--prompt', 'efg', '--length', '30', '--temperature', '0');
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).toBe(`efg${'habcdefg'.repeat(4).slice(0, 30)}\n`);
  const drawn = await write(
    cwd,
    '--json',
    '--prompt',
    'c',
    '--length',
    '20',
    '--temperature',
    '0.5',
    '--top-k',
    '2',
    '--seed',
    '3',
  );
  const [event] = drawn.json();
  expect(event).toMatchObject({ event: 'sample', prompt: 'c', length: 20, tokens: 20, temperature: 0.5, topK: 2, seed: 3 });
  expect(event!.text).toMatch(/^[a-h]{20}$/);
  expect(drawn.stderr).toBe('');
});

it('the same seed writes the same, and hot enough another seed writes other text', async () => {
  const cwd = await trained({ steps: 5 });
  const text = async (...flags: string[]): Promise<string> => (await write(cwd, '--length', '40', ...flags)).stdout;
  expect(await text()).toBe(await text('--seed', '0'));
  expect(await text('--seed', '1')).not.toBe(await text());
  expect(await text()).toHaveLength(41);
});

it('characters of several bytes come whole', async () => {
  const cwd = await trained({ data: { ...config.data, tokenizer: 'byte' }, steps: 300 }, 'a\u00e9\u{1f600}');
  const { stdout } = await write(cwd, '--prompt', 'a', '--length', '13', '--temperature', '0');
  expect(stdout).toBe('a\u00e9\u{1f600}a\u00e9\u{1f600}\n');
});

it('ends before a text, and draws from a share of the probability', async () => {
  const cwd = await trained();
  const greedy = ['--prompt', 'efg', '--length', '30', '--temperature', '0'];
  expect((await write(cwd, ...greedy, '--stop', 'ef')).stdout).toBe('efghabcd\n');
  const [event] = (await write(cwd, ...greedy, '--stop', 'efg', '--top-p', '0.5', '--json')).json();
  expect(event).toMatchObject({ text: 'habcd', tokens: 5, topP: 0.5, stop: 'efg' });
  // What little is likely is all that is drawn, however hot.
  const drawn = await write(cwd, ...greedy.slice(0, 4), '--temperature', '3', '--top-p', '0');
  expect(drawn.stdout).toBe((await write(cwd, ...greedy)).stdout);
});

it('a new line is written \\n', async () => {
  const cwd = await trained({}, 'abc\n');
  expect((await write(cwd, '--prompt', 'a', '--temperature', '0', '--length', '20', '--stop', '\\n')).stdout).toBe('abc\n');
});

it('stops when it is told to', async () => {
  const cwd = await trained({ steps: 1 });
  const controller = new AbortController();
  const onStdout = (): void => controller.abort('SIGTERM');
  const ran = await run(['sample', 'm.safetensors', '--length', '1000000'], { cwd, signal: controller.signal, onStdout });
  expect(ran.code).toBe(143);
});

it('says what is wrong', async () => {
  const cwd = await trained({ steps: 1 });
  const failed = async (...flags: string[]): Promise<[number, string]> => {
    const { code, stderr } = await write(cwd, ...flags);
    return [code, stderr];
  };
  expect(await failed('--prompt', 'abX')).toEqual([
    2,
    expect.stringMatching(/--prompt: encode: position 2: "X" is none of the 8/),
  ]);
  expect(await failed('--temperature', '-1')).toEqual([
    2,
    expect.stringMatching(/--temperature: expected a finite number >= 0, got "-1"/),
  ]);
  expect(await failed('--top-k', '0')).toEqual([2, expect.stringMatching(/--top-k: expected a whole number >= 1/)]);
  expect(await failed('--top-p', '2')).toEqual([
    2,
    expect.stringMatching(/--top-p: expected a finite number >= 0 and <= 1, got "2"/),
  ]);
  expect(await failed('--stop', '')).toEqual([2, expect.stringMatching(/--stop: expected a text, got ""/)]);
  expect(await failed('--topk', '1')).toEqual([2, expect.stringMatching(/did you mean --top-k\?/)]);
  const csv = {
    data: { type: 'csv', file: 't.csv', split: { train: 1 } },
    model: { type: 'mlp', sizes: [1, 2] },
    optimizer: { type: 'sgd', lr: 1 },
    epochs: 1,
  };
  const other = folder({ 't.csv': '1,0\n2,1\n', 'c.json': JSON.stringify(csv) });
  await run(['train', 'c.json', '--out', 'm.safetensors'], { cwd: other });
  const { code, stderr } = await write(other);
  expect([code, stderr]).toEqual([4, expect.stringMatching(/m\.safetensors: expected what gradclip train writes of a text/)]);
});

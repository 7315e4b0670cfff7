// lab.test.ts: `gradclip lab`: plans, records that go on, parts, processes beside each other, files of one's own, and what is refused.
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { main } from '../../lib/cli/cli.ts';
import { folder, run } from './kit.ts';

const SMALL = ['--workloads', 'mlp-tiny', '--policies', 'none,globalNorm', '--optimizers', 'adam', '--seeds', '2'];
/** Lines of a record but for what is measured with a clock. */
const linesOf = (text: string): string[] =>
  text
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.replace(/"seconds":[^,}]+/, ''))
    .sort();

it('runs a plan, writes record, page and table, and goes on with what is not there', async () => {
  const cwd = folder();
  const outputs = ['--record', 'a.jsonl', '--page', 'a.html', '--csv', 'a.csv'];
  const first = await run(['lab', ...SMALL, ...outputs, '--json'], { cwd });
  expect(first.code).toBe(0);
  const events = first.json();
  expect(events[0]).toMatchObject({ event: 'plan', runs: 24, left: 24 });
  expect(events.filter(({ event }) => event === 'run').length).toBe(24);
  expect(events.find(({ event, name }) => event === 'policy' && name === 'globalNorm')).toMatchObject({ problems: 2, work: 1 });
  const whole = readFileSync(join(cwd, 'a.jsonl'), 'utf8');
  expect(readFileSync(join(cwd, 'a.html'), 'utf8')).toContain('mlp-tiny, adam');
  expect(readFileSync(join(cwd, 'a.csv'), 'utf8').split('\n').length).toBe(26);
  // Killed in the middle of a line: the same again, bit for bit.
  writeFileSync(join(cwd, 'a.jsonl'), whole.slice(0, Math.floor(whole.length / 2)));
  const again = await run(['lab', ...SMALL, '--record', 'a.jsonl', '--json'], { cwd });
  expect(again.json()[0]!.left).toBeLessThan(24);
  expect(linesOf(readFileSync(join(cwd, 'a.jsonl'), 'utf8'))).toEqual(linesOf(whole));
  const done = await run(['lab', ...SMALL, '--record', 'a.jsonl', '--json'], { cwd });
  expect(done.json()[0]).toMatchObject({ left: 0 });
  // Parts have the same runs, and their outcome is that of the whole.
  for (const part of ['1/2', '2/2'])
    expect((await run(['lab', ...SMALL, '--shard', part, '--record', `${part[0]}.jsonl`], { cwd })).code).toBe(0);
  const parts = ['1', '2'].flatMap((part) => linesOf(readFileSync(join(cwd, `${part}.jsonl`), 'utf8')));
  expect(parts.sort()).toEqual(linesOf(whole));
  const told = await run(['lab', '--from', '1.jsonl,2.jsonl', '--report', '--json'], { cwd });
  const figures = (ran: typeof told): unknown =>
    ran.json().flatMap(({ event, name, mean }) => (event === 'policy' ? [[name, mean]] : []));
  expect(figures(told)).toEqual(figures(first));
});

it('processes beside each other make the same runs', async () => {
  const cwd = folder();
  const argv = ['lab', '--workloads', 'mlp-tiny', '--policies', 'none', '--seeds', '1'];
  const alone = await run([...argv, '--record', 'alone.jsonl'], { cwd });
  expect(alone.code).toBe(0);
  const told = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof told) => ({
    write(text: string) {
      told[name] += text;
    },
  });
  const io = { stdout: stream('stdout'), stderr: stream('stderr'), env: {}, cwd, signal: new AbortController().signal };
  const program = resolve('dist/lib/cli/main.js');
  expect(await main([...argv, '--record', 'both.jsonl', '--jobs', '2'], { ...io, program }), told.stderr).toBe(0);
  const [a, b] = ['alone', 'both'].map((name) => linesOf(readFileSync(join(cwd, `${name}.jsonl`), 'utf8')));
  expect(b).toEqual(a);
  expect(await main([...argv, '--jobs', '2'], io)).toBe(2);
  // What a child cannot do is told.
  expect(await main([...argv, '--jobs', '2'], { ...io, program: join(cwd, 'nothing.js') })).toBe(1);
  expect(told.stderr).toContain('a process of --jobs ended with code 1');
});

it('a signal ends it after the run it is in, and what is there stays', async () => {
  const cwd = folder();
  const controller = new AbortController();
  let runs = 0;
  const onStdout = (text: string): void => {
    if (text.includes('"event":"run"') && ++runs === 3) controller.abort('SIGINT');
  };
  const ran = await run(['lab', ...SMALL, '--record', 'a.jsonl', '--json'], { cwd, signal: controller.signal, onStdout });
  expect(ran.code).toBe(130);
  expect(linesOf(readFileSync(join(cwd, 'a.jsonl'), 'utf8')).length).toBe(3);
});

const points = Array.from({ length: 90 }, (_, i) => `${(i % 9) - 4},${(i % 7) - 3},${Number((i % 9) - 4 > (i % 7) - 3)}\n`).join(
  '',
);
const config = {
  data: { type: 'csv', file: 'points.csv', split: { validation: 20, test: 20 } },
  model: { type: 'mlp', sizes: [2, 8, 2] },
  optimizer: { type: 'sgd', lr: 0.1 },
  epochs: 3,
  batchSize: 10,
};
const mine = {
  name: 'mine',
  levels: { low: { type: 'globalNorm', threshold: 0.1 }, both: [{ type: 'value', threshold: 1 }, { type: 'globalNorm' }] },
};

it('takes networks and policies from files', async () => {
  const plan = { workloads: ['net.json'], policies: ['none', mine], seeds: 2 };
  const files = { 'points.csv': points, 'net.json': JSON.stringify(config), 'plan.json': JSON.stringify(plan) };
  const cwd = folder(files);
  const { code, json, stderr } = await run(['lab', 'plan.json', '--json', '--record', 'a.jsonl'], { cwd });
  expect(code, stderr).toBe(0);
  const runs = json().filter(({ event }) => event === 'run');
  expect(runs.length).toBe(2 * (10 + 1 + 2));
  // Fifty rows that train, in batches of ten, three times.
  expect(runs[0]).toMatchObject({ workload: 'net', optimizer: 'own', kind: 'dense', steps: 15 });
  // The best constant: the entropy of the classes of the last twenty rows.
  const ones =
    points
      .trimEnd()
      .split('\n')
      .slice(70)
      .filter((row) => row.endsWith(',1')).length / 20;
  expect(runs[0]!.ignorant).toBeCloseTo(-ones * Math.log(ones) - (1 - ones) * Math.log(1 - ones), 12);
  // Another configuration is another network: nothing of it is there yet.
  writeFileSync(join(cwd, 'net.json'), JSON.stringify({ ...config, optimizer: { type: 'sgd', lr: 0.2 } }));
  const other = await run(['lab', 'plan.json', '--json', '--plan', '--from', 'a.jsonl'], { cwd });
  expect(other.json()[0]).toMatchObject({ event: 'plan', left: 26 });
});

it('the networks that were held out are tried by their group, or by name', async () => {
  const networks = async (...names: string[]): Promise<number> => {
    const { json } = await run(['lab', '--workloads', names.join(), '--policies', 'none', '--seeds', '1', '--plan', '--json'], {
      cwd: folder(),
    });
    return (json()[0]!.runs as number) / (2 * 11);
  };
  expect(await networks('held-out')).toBe(12);
  expect(await networks('autoencoder', 'mlp-tiny')).toBe(2);
});

it.each([
  [['--workloads', 'mlp-tinny'], 'did you mean mlp-tiny?'],
  [['--policies', 'globalnorm'], 'did you mean globalNorm?'],
  [['--optimizers', 'lion'], '"lion" is none of them; there are sgd, adam'],
  [['--shard', '3/2'], 'expected a part such as 1/4, got 3/2'],
  [['--shard', '1/2', '--page', 'p.html'], '--shard goes without --page'],
  [['--seeds', '0'], 'expected a whole number >= 1'],
  [['--report'], 'expected --from'],
  [['--report', '--from', 'a', '--seeds', '2'], '--report goes without --seeds'],
  [['--plan', '--record', 'r.jsonl'], '--plan goes without --record'],
  [['--page', 'nowhere/p.html'], '--page'],
  [['plan.json'], 'plan.json'],
])('refuses %j', async (argv, message) => {
  const { code, stderr } = await run(['lab', ...argv], { cwd: folder() });
  expect(stderr).toContain(message);
  expect(code).toBe(2);
});

it.each([
  [{ workloads: ['nothing'] }, 'workloads[0]: "nothing" is none of them'],
  [{ workloads: ['mlp-tiny', 'mlp-tiny'] }, 'workloads[1]: "mlp-tiny" is there twice'],
  [{ policies: ['mine'] }, 'policies[0]: "mine" is none of them'],
  [{ policies: [{ ...mine, name: 'agc' }] }, '"agc" is a policy of the laboratory'],
  [{ policies: [{ name: 'mine', levels: {} }] }, 'expected one level at least'],
  [{ policies: [{ name: 'mine', levels: { a: { type: 'globalNorm', threshold: -1 } } }] }, 'expected a number >= 0, got -1'],
  [{ sedes: 3 }, 'did you mean seeds?'],
  [{ workloads: ['net.json'] }, 'data.split.validation: expected some rows'],
])('refuses a plan of %j', async (plan, message) => {
  const net = { ...config, data: { ...config.data, split: { test: 20 } } };
  const cwd = folder({ 'plan.json': JSON.stringify(plan), 'net.json': JSON.stringify(net), 'points.csv': points });
  const { code, stderr } = await run(['lab', 'plan.json', '--plan'], { cwd });
  expect(stderr).toContain(message);
  expect(code).toBe(2);
});

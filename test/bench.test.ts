// bench.test.ts: the frame of the benchmark: how rounds become figures, and how engines are talked to.
import { afterAll, describe, expect, it } from 'vitest';
import { Engine } from '../bench/engine.ts';
import { ratio, type Sample, short, summarize } from '../bench/report.ts';

const rounds = (...medians: number[]): Sample[] => medians.map((m) => ({ median_ms: m, min_ms: m / 2, n: 10 }));

describe('report', () => {
  it('summarises rounds', () => {
    expect(summarize(rounds(2, 1, 3))).toEqual({ median_ms: 2, min_ms: 0.5, n: 30, spread: 100 });
    expect(summarize(rounds(1, 2)).median_ms).toBe(1.5);
  });
  it('compares round by round, so that a machine that slows down changes nothing', () => {
    expect(ratio(rounds(2, 4, 8, 16), rounds(1, 2, 4, 8))).toBe(2);
  });
  it('keeps four digits', () => {
    expect([short(0.123456), short(1234.56), short(3)]).toEqual([0.1235, 1235, 3]);
  });
});

describe('engine', () => {
  const launch = (script: string): { peer: string; command: string; args: string[] } => ({
    peer: 'fake',
    command: process.execPath,
    args: ['--input-type=module', '-e', script, '--'],
  });
  const open: Engine[] = [];
  afterAll(() => {
    for (const engine of open) engine.close();
  });

  it('answers a command with a sample', async () => {
    const engine = await Engine.open(
      launch(`
        import { createInterface } from 'node:readline';
        const at = (name) => process.argv[process.argv.indexOf(name) + 1];
        console.log(JSON.stringify({ variants: ['step'], params: Number(at('--threads')), cell: at('--cell') }));
        for await (const line of createInterface({ input: process.stdin })) {
          const { variant, seconds } = JSON.parse(line);
          console.log(JSON.stringify({ median_ms: seconds, min_ms: variant.length, n: 1 }));
        }`),
      'step',
      'mlp-tiny',
      2,
    );
    if (!(engine instanceof Engine)) throw new Error(engine);
    open.push(engine);
    expect(engine.info).toEqual({ variants: ['step'], params: 2, cell: 'mlp-tiny' });
    expect(await engine.run('step', 0.5)).toEqual({ median_ms: 0.5, min_ms: 4, n: 1 });
  });
  it.each([
    ['says why it does not take part', `console.log('{"unsupported":"no model ncf"}')`, 'no model ncf'],
    ['dies', `console.error('no torch here'); process.exit(1)`, 'failed to start: no torch here'],
  ])('%s', async (_, script, expected) => {
    expect(await Engine.open(launch(script), 'step', 'ncf', 1)).toBe(expected);
  });
  it('is not there', async () => {
    const gone = { peer: 'gone', command: '/nowhere/python', args: [] };
    expect(await Engine.open(gone, 'step', 'ncf', 1)).toContain('ENOENT');
  });
});

// bench-ops.test.ts: the cases of suite ops: each computes what the ops' `ref` does, is timed beside a stream, and has its like in PyTorch.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { opCell, opGraph, verify } from '../../bench/engines/ops.ts';
import { OP_CASES, shapeOf } from '../../bench/ops.ts';
import type { Sample } from '../../bench/report.ts';
import { SUITES } from '../../bench/suites.ts';

const NAMES = [...OP_CASES.keys()];

it.each(NAMES.filter((name) => !name.endsWith('16M') && !OP_CASES.get(name)!.random))('%s is verified', (name) => {
  verify(OP_CASES.get(name)!, 2, name);
});

it('what is wrong is not timed', () => {
  const given = OP_CASES.get('elu/128k')!;
  expect(() => verify({ ...given, tolerance: -1 }, 1, 'elu')).toThrow(/^elu, output 0: expected -?[\d.]+ at 0, got -?[\d.]+$/);
});

it('larger sizes differ in rows alone', () => {
  for (const name of NAMES.filter((name) => name.endsWith('16M'))) {
    const [small, large] = [OP_CASES.get(name.replace('16M', '128k'))!, OP_CASES.get(name)!];
    expect(large.ins.map((x) => shapeOf(x, true))).toEqual(small.ins.map((x) => shapeOf(x, true)));
    expect(large.ins[0]!.shape[0]).toBe(128 * small.ins[0]!.shape[0]!);
  }
});

it('gradients are those of all floats, for a gradient of the first output', () => {
  const { ins, outs } = opGraph(OP_CASES.get('takeAlongAxis/grad/1024x1024')!, true);
  expect(ins.map(({ tensor }) => [tensor.dtype, tensor.shape])).toEqual([
    ['f32', [3, 1024]],
    ['i32', [3, 1024]],
    ['f32', [3, 1024]],
  ]);
  expect(outs.map((t) => t.shape)).toEqual([[3, 1024]]);
});

describe('figures', () => {
  it('a cell: the time, bytes a second and the share of a stream; a peer has its time alone', async () => {
    const { info, variants } = await opCell('cumsum/128k', 1);
    expect(info).toMatchObject({ bytes: 2 * 4 * 128 * 1024, gradient: false });
    const timed = Object.keys(variants).map((v) => [v, [variants[v]!(0.001) as Sample]] as const);
    const suite = SUITES.ops!;
    const row = suite.row('cumsum/128k', { ...info, variants: [] }, new Map(timed));
    expect(row).toMatchObject({ op: 'cumsum/128k', stream: 'copy' });
    for (const key of ['median_ms', 'gbytes', 'stream_percent', 'stream_gbytes']) expect(row[key]).toBeGreaterThan(0);
    expect(suite.more!({ ...info, variants: [] })).toEqual(['--inputs', JSON.stringify(OP_CASES.get('cumsum/128k')!.ins)]);
    const theirs = new Map([['op', [{ median_ms: 2, min_ms: 2, n: 1 }]]]);
    const ours = new Map([['op', [{ median_ms: 1, min_ms: 1, n: 1 }]]]);
    expect(suite.compare!(theirs, ours, { variants: [] })).toMatchObject({ ratio: 2 });
    expect(suite.row('cumsum/128k', { variants: [] }, theirs)).toEqual({ op: 'cumsum/128k', median_ms: 2, spread_percent: 0 });
  });

  it('what PyTorch computes otherwise is no peer', async () => {
    const engine = (sum: number) => ({ info: { variants: [] }, digest: async () => [[1, sum, 1]] });
    const { check } = SUITES.ops!;
    expect(await check!('elu/128k', engine(0.5), engine(0.5))).toBeNull();
    expect(await check!('elu/128k', engine(0.6), engine(0.5))).toBe(
      'it makes of output 0 norm, sum and most 1, 0.6, 1, ours 1, 0.5, 1',
    );
    expect(await check!('randn/128k', engine(0.6), engine(0.5))).toBeNull();
  });
});

it('each has its like in PyTorch', () => {
  const script = readFileSync('bench/peers/torch_ops.py', 'utf8');
  const known = new Set([...script.matchAll(/^ {4}"([^"]+)":/gm)].map(([, name]) => name));
  const without = NAMES.map((name) => name.split('/')[0]!).filter((name) => !known.has(name) && !/^(topK|einsum) /.test(name));
  expect(without).toEqual([]);
});

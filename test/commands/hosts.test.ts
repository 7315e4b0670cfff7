// hosts.test.ts: `npm run -s check:hosts`: constants are found in what was measured, steps follow from them, and docs/SCALE.md has the tables of what is
// kept.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exchangeMs, faster, fitted, paysTo, wider } from '../../bench/mpi/model.ts';
import { constantsAt, type Link, type Measured, putTables, tablesOf } from '../../bench/mpi/tables.ts';

const root = resolve(import.meta.dirname, '../..');
const BYTES = [256, 4096, 65_536, 1e6, 1.6e7];

describe('the model', () => {
  it('finds the constants of times that have some', () => {
    const alphas = fc.double({ min: 1e-3, max: 10, noNaN: true });
    const betas = fc.double({ min: 1e3, max: 1e7, noNaN: true });
    fc.assert(
      fc.property(alphas, betas, (alpha, beta) => {
        const found = fitted(BYTES.map((bytes) => [bytes, alpha + bytes / beta]));
        expect(found.alpha / alpha).toBeCloseTo(1, 6);
        expect(found.beta / beta).toBeCloseTo(1, 6);
      }),
    );
  });
  it('takes times as far off in proportion alike: a slow small exchange does not bend the large ones', () => {
    const { beta } = fitted(BYTES.map((bytes, i) => [bytes, (0.1 + bytes / 1e5) * (i % 2 ? 1.1 : 0.9)]));
    expect(beta).toBeGreaterThan(0.9e5);
    expect(beta).toBeLessThan(1.2e5);
  });
  it('has no time below nothing, and refuses times that do not grow', () => {
    expect(
      fitted([
        [1e6, 0.9],
        [2e6, 2],
        [4e6, 4.1],
      ]).alpha,
    ).toBe(0);
    expect(() =>
      fitted([
        [1e3, 5],
        [1e6, 3],
        [1e7, 1],
      ]),
    ).toThrow('times do not grow');
  });

  it('sends all once for each doubling', () => {
    const constants = { alpha: 2, beta: 100 };
    expect([1, 2, 3, 4, 8, 256].map((hosts) => exchangeMs(constants, 1000, hosts))).toEqual([0, 12, 24, 24, 36, 96]);
  });
  it('says what many hosts bring, and where they bring less than a tenth', () => {
    const constants = { alpha: 0, beta: 100 };
    // 10 ms a step, 10 ms for each doubling.
    expect(wider(constants, 1000, 10, [2, 4])).toEqual([
      { hosts: 2, ms: 20, gain: 1 },
      { hosts: 4, ms: 30, gain: expect.closeTo(4 / 3, 9) },
    ]);
    // 110 ms, 10 of which everybody does.
    const shared = faster(constants, 1000, [110, 10], [2, 4, 8, 16]);
    expect(shared.map(({ ms }) => ms)).toEqual([70, 55, 52.5, 56.25]);
    expect(paysTo(shared)).toBe(4);
    expect(paysTo(wider(constants, 1000, 10, [2, 4]))).toBe(1);
    expect(paysTo([])).toBe(1);
  });
});

describe('tables', () => {
  const link = (library: string, gigabits: number | null, alpha: number, beta: number): Link => ({
    ...{ library, gigabits, alpha, beta },
    times: BYTES.map((bytes) => [bytes, alpha + bytes / beta]),
  });
  const links = [
    link('MPICH', null, 0.1, 4e5),
    link('MPICH', 1, 0.3, 1e5),
    link('Open MPI', null, 0.2, 8e5),
    link('Open MPI', 1, 0.4, 1.1e5),
  ];

  it('a network carries the part of its rate that was seen, and no more than hosts copy', () => {
    // 1.1e5 of 1.25e5 bytes a millisecond; 88 % of 5 Gbit/s are less than 8e5, those of 10 are more.
    expect(constantsAt(links, 5, 'measured')).toEqual({ alpha: 0.2, beta: expect.closeTo(5.5e5, 3) });
    expect(constantsAt(links, 10, 'measured')).toEqual({ alpha: 0.2, beta: 8e5 });
    expect(constantsAt(links, 100, 'line')).toEqual({ alpha: 0.2, beta: expect.closeTo(1.1e7, 3) });
  });

  const measured: Measured = {
    ...{ date: '2026-01-01', cpu: 'CPU', cores: 2, links },
    steps: [{ workload: 'mlp-small', params: 250_000, library: 'MPICH', gigabits: 1, own: 5, ms: 16 }],
    alone: [{ workload: 'mlp-small', params: 250_000, ms: 8, updateMs: 1 }],
  };
  it('have steps beside the model', () => {
    // 5 + .3 + 1e6 / 1e5
    expect(tablesOf(measured).measured).toContain('| mlp-small | 1.0 MB | MPICH | 1 Gbit/s | 5.0 | 15.3 | 16.0 | 1.05 |');
    expect(tablesOf({ ...measured, links: links.slice(0, 1), steps: [] }).many).toContain('--rates none,1');
  });
  it('take their places in a page, again and again', () => {
    const page = 'a\n<!-- table hosts: measured -->\n<!-- end -->\nb\n<!-- table hosts: many -->\nold\n<!-- end -->\nc\n';
    const put = putTables(page, measured);
    expect(put).toContain(tablesOf(measured).many);
    expect(put).not.toContain('old');
    expect(put).toMatch(/^a\n[\s\S]*\nb\n[\s\S]*\nc\n$/);
    expect(putTables(put, measured)).toBe(put);
    expect(() => putTables('a', measured)).toThrow('no place <!-- table hosts: measured -->');
  });
  it('of docs/SCALE.md are those of what is kept', () => {
    const kept = JSON.parse(readFileSync(join(root, 'bench/mpi/measured.json'), 'utf8')) as Measured;
    const page = readFileSync(join(root, 'docs/SCALE.md'), 'utf8');
    expect(putTables(page, kept)).toBe(page);
  });
});

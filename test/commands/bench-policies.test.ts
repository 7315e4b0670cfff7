// bench-policies.test.ts: the long run of suite policies: engines that stay, minutes that are shared, cells that are kept, tables; and that what peers
// clip is compared with what ours does.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Launch } from '../../bench/engine.ts';
import { Engine } from '../../bench/engine.ts';
import { policiesCell } from '../../bench/engines/policies.ts';
import type { Facts } from '../../bench/facts.ts';
import { Held } from '../../bench/held.ts';
import { measureCell } from '../../bench/measure.ts';
import { parse } from '../../bench/options.ts';
import { Plan, type Planned } from '../../bench/plan.ts';
import { compareDigests, compareNorms, policies } from '../../bench/policies-suite.ts';
import { policiesTables } from '../../bench/policies-tables.ts';
import type { Row } from '../../bench/report.ts';
import { Keeper } from '../../bench/results.ts';
import { putTables } from '../../bench/step-tables.ts';
import { uniform } from '../golden/runs/recipe.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Says how many cells it has had; does not know those with a `no` in their names, and ends at those with an `end`. */
const counting = (peer = 'counting'): Launch => ({
  peer,
  command: process.execPath,
  args: [
    '--input-type=module',
    '-e',
    `import { createInterface } from 'node:readline';
     let cells = 0;
     const say = (value) => console.log(JSON.stringify(value));
     const take = (cell) => {
       if (cell.includes('end')) process.exit(1);
       say(cell.includes('no') ? { unsupported: 'it has no ' + cell } : { variants: ['without', 'with'], cell, cells: ++cells, pid: process.pid });
     };
     take(process.argv[process.argv.indexOf('--cell') + 1]);
     for await (const line of createInterface({ input: process.stdin })) {
       const { cell, digest, variant } = JSON.parse(line);
       if (cell !== undefined) take(cell);
       else if (digest) say([[1, 2, 3]]);
       else say({ median_ms: variant === 'with' ? 3 : 2, min_ms: 1, n: 1 });
     }`,
    '--',
  ],
});

describe('engines that stay', () => {
  const task = (cell: string) => ({ suite: 'policies', cell, threads: 1 });
  it('go from one cell to the next of a place, and end with the last', async () => {
    const held = new Held();
    const [launch, other] = [counting(), counting('other')];
    const open = async (cell: string, alike: string, by = launch) => {
      const engine = await held.open(by, task(cell), alike);
      return engine instanceof Engine ? engine : { info: { fault: engine, pid: 0 } };
    };
    const first = await open('a/1', 'a');
    expect(first.info).toMatchObject({ cell: 'a/1', cells: 1 });
    expect(await (first as Engine).digest()).toEqual([[1, 2, 3]]);
    expect((await open('no/1', 'a')).info).toEqual({ fault: 'it has no no/1', pid: 0 });
    expect((await open('a/2', 'a')).info).toMatchObject({ cell: 'a/2', cells: 2, pid: first.info.pid });
    // A peer that does not know the first cell may know the next.
    expect((await open('no/1', 'a', other)).info).toEqual({ fault: 'it has no no/1', pid: 0 });
    expect((await open('a/2', 'a', other)).info).toMatchObject({ cells: 1 });
    const elsewhere = await open('b/1', 'b');
    expect(elsewhere.info).toMatchObject({ cells: 1 });
    expect(elsewhere.info.pid).not.toBe(first.info.pid);
    // One that has ended is begun again.
    expect((await open('end', 'b')).info).toEqual({ fault: 'the process ended', pid: 0 });
    expect((await open('b/3', 'b')).info).toMatchObject({ cells: 1 });
    held.close();
  });

  it('are timed in as many rounds as their time allows, at least six', async () => {
    const held = new Held();
    const options = {
      ...parse(['--suite', 'policies', '--threads', '1']),
      suite: { ...policies, check: async () => null, row: rowOf },
    };
    function rowOf(_: string, __: unknown, rounds: Parameters<typeof policies.row>[2]) {
      return { rounds: rounds.get('with')!.length };
    }
    const measured = async (seconds: number) => {
      const { rows } = await measureCell('policy/6x40k/a', [counting()], [counting('torch')], options, {
        held,
        seconds: () => seconds,
      });
      return rows;
    };
    const [short, long] = [await measured(0), await measured(1)];
    expect(short.map((row) => row.rounds)).toEqual([6, 6]);
    expect(short[1]).toMatchObject({ peer: 'torch', ratio: 1, ratio_low: 1, ratio_high: 1 });
    expect(Number(long[0]!.rounds)).toBeGreaterThan(6);
    held.close();
  });
});

describe('a run of some minutes', () => {
  const cells: readonly Planned[] = [1, 2, 5].map((weight) => ({ cell: `x/${weight}`, threads: 1, weight }));
  it('gives each cell its part of what is left', () => {
    const plan = new Plan(80, cells);
    // Nobody knows yet how many engines a cell has; one in every cell makes shares by weight alone.
    const shares = cells.map((cell) => {
      const share = plan.share(cell, 1, 0);
      plan.over(cell, share);
      return share;
    });
    expect(shares.reduce((a, b) => a + b)).toBeLessThanOrEqual(80);
    expect(shares[2]! / shares[0]!).toBeGreaterThan(5);
    const late = new Plan(80, cells);
    late.over(cells[0]!, 79.3);
    expect(late.share(cells[1]!, 1, 0)).toBeLessThan(0.2);
    late.over(cells[1]!, 10);
    expect(late.share(cells[2]!, 1, 0)).toBe(0);
  });
  it('counts what a cell takes to begin', () => {
    const [light, heavy] = [new Plan(80, cells).share(cells[0]!, 1, 0), new Plan(80, cells).share(cells[0]!, 1, 3)];
    expect(light - heavy).toBeCloseTo(3, 6);
    expect(new Plan(80, cells).share(cells[0]!, 1, 1000)).toBeCloseTo(light / 4, 6);
  });
});

const facts = (more: Partial<Facts> = {}): Facts => ({
  ...{ date: '2026-01-01T00:00', command: 'bench', cpu: 'A', cores: 2, available: 2, threads: [1], isa: 'avx2', memory: '8 GiB' },
  ...{ load: 0, node: 'v20', gradclip: '0.1.0', peers: { torch: '2' }, ...more },
});
const row = (peer: string, place: string, name: string, more: object = {}): Row => ({
  ...{ peer, suite: 'policies', threads: 1, kind: 'policy', place, name, without_ms: 1, with_ms: 1.25 },
  ...{ cost_percent: 25, cost_low_percent: -0.04, cost_high_percent: 31.4, extra_passes: 1, policy_state_bytes: 24, ...more },
});

describe('cells are kept', () => {
  const done = (name: string) => ({ cell: `policy/6x40k/${name}`, threads: 1, seconds: 2, faults: {} });
  it('whole: what was being written when the run ended is measured again', () => {
    const file = join(folder, 'kept.jsonl');
    const first = new Keeper(file, facts());
    first.add(done('a'), [row('gradclip', '6x40k', 'a'), row('torch', '6x40k', 'a')]);
    const whole = readFileSync(file, 'utf8');
    first.add(done('b'), [row('gradclip', '6x40k', 'b', { with_ms: 7 })]);
    expect(() => new Keeper(file, facts())).toThrow(`process ${process.pid} writes it`);
    first.close();
    const second = readFileSync(file).subarray(Buffer.byteLength(whole));
    // Killed after any byte of the second.
    for (let n = 0; n < second.length; n += 7) {
      writeFileSync(file, whole);
      appendFileSync(file, second.subarray(0, n));
      const again = new Keeper(file, facts());
      expect(again.seconds(1, 'policy/6x40k/a')).toBe(2);
      expect(again.seconds(2, 'policy/6x40k/a')).toBeUndefined();
      expect(again.seconds(1, 'policy/6x40k/b')).toBeUndefined();
      again.add(done('b'), [row('gradclip', '6x40k', 'b', { with_ms: 8 })]);
      expect(again.results('policies').rows.map(({ peer, name, with_ms }) => [peer, name, with_ms])).toEqual([
        ['gradclip', 'a', 1.25],
        ['torch', 'a', 1.25],
        ['gradclip', 'b', 8],
      ]);
      again.close();
    }
    expect(new Keeper(file, facts({ threads: [2] })).results('policies').facts).toMatchObject({
      threads: [1, 2],
      command: 'bench',
    });
  });
  it.each([
    [{ cpu: 'B' }, 'was begun with cpu A, this is B: another file'],
    [{ gradclip: '0.2.0' }, 'was begun with gradclip 0.1.0'],
    [{ peers: { torch: '3' } }, 'was begun with torch 2, this is 3'],
  ])('of one machine and one state: not %j', (more, message) => {
    const file = join(folder, 'other.jsonl');
    new Keeper(file, facts()).close();
    expect(() => new Keeper(file, facts(more))).toThrow(message);
  });
  it.each([
    [['--minutes', '5', '--rounds', '3'], '--rounds: --minutes says how long'],
    [['--minutes', '0'], '--minutes: expected a positive number'],
    [['--results'], '--results: expected the name of a file'],
    [['--into', 'x.md'], '--into: it is for --table'],
  ])('options %j are refused', (argv, message) => {
    expect(() => parse(['--suite', 'policies', ...argv])).toThrow(message);
    expect(() => parse(['--suite', 'gemm', '--minutes', '5'])).toThrow('--minutes: suite gemm does without');
  });
});

describe('tables', () => {
  const rows = [
    row('gradclip', 'mlp-small', 'zclip', { cost_percent: 1.23 }),
    row('gradclip', '6x40k', 'zclip', { read_gbytes: 40, passes_ms: 0.125, extra_ms: 0.25 }),
    row('gradclip', '6x40k', 'none', { extra_passes: 0, passes_ms: 0, extra_ms: 0 }),
    row('torch', '6x40k', 'none', { with_ms: 5, ratio: 4, ratio_low: 3.5, ratio_high: 4.5 }),
    row('gradclip', '6x40k', 'sgd', { kind: 'optimizer', update_bytes_per_param: 12, slot_bytes_per_param: 0 }),
  ];
  const tables = policiesTables(['A processor'], rows);
  it('say costs with intervals, peers, and passes', () => {
    expect(tables).toMatch(/^<!-- table policies -->\n- A processor\n\n### What each policy costs on 1 thread, in percent\n/);
    expect(tables).toContain('| `zclip` | 1 | 24 | 1.2 (0.0 to 31) | 25 (0.0 to 31) |');
    expect(tables).toContain('| `none` | torch | 5 ms<br>25 (0.0 to 31) %<br>4 (3.5 to 4.5) times |');
    expect(tables).toContain('| reading alone |   | 40 GB/s |\n| `zclip` | 1 | 2 |');
    expect(tables).toContain('### What a global norm costs each optimizer on 1 thread, in percent');
    expect(tables).not.toMatch(/NaN|undefined/);
  });
  it('are put between the marks of a page', () => {
    const page = 'Before.\n\n<!-- table policies -->\n\n<!-- end -->\n\nAfter. <!-- end -->\n';
    expect(putTables(page, tables)).toBe(`Before.\n\n${tables}\n\nAfter. <!-- end -->\n`);
    expect(putTables(putTables(page, tables), '<!-- table policies -->\n\n<!-- end -->')).toBe(page);
    expect(() => putTables('Nothing.', tables)).toThrow('--into: the page has no <!-- table policies -->');
  });
});

describe('what is clipped', () => {
  it('is told by norm, sum and most of each gradient, as the formula has it', async () => {
    const cell = await policiesCell('policy/6x40k/perTensorNorm', 2);
    if (typeof cell === 'string') throw new Error(cell);
    const sizes = [784 * 256, 256, 256 * 128, 128, 128 * 10, 10];
    const expected = sizes.map((n, i) => {
      const g = [...uniform(i, n)];
      const norm = Math.sqrt(g.reduce((sum, v) => sum + v * v, 0));
      const scale = Math.min(1, 0.5 / norm);
      return [
        norm * scale,
        g.reduce((sum, v) => sum + v, 0) * scale,
        g.reduce((most, v) => Math.max(most, Math.abs(v)), 0) * scale,
      ];
    });
    const told = cell.digest!();
    expect(compareDigests(expected, told)).toBeNull();
    for (const [i, figures] of told.entries()) for (const [k, v] of figures.entries()) expect(v).toBeCloseTo(expected[i]![k]!, 5);
    // Another rule, a gradient that was not clipped, one that turned around.
    const other = (i: number, figures: number[]) => told.map((own, k) => (k === i ? figures : own));
    expect(
      compareDigests(
        expected,
        other(
          3,
          expected[3]!.map((v) => v * 1.01),
        ),
      ),
    ).toContain('of gradient 3');
    expect(compareDigests(expected, other(0, [expected[0]![0]!, -expected[0]![1]! + 1, expected[0]![2]!]))).toContain(
      'of gradient 0',
    );
    expect(compareDigests(expected, told.slice(1))).toBe('its clip has 5 gradients, not 6');
    expect(compareDigests(expected, null)).toContain('does not tell');
    cell.dispose!();
  });
  it('is compared by the norm after it in a step of a model, where ours has measured that', () => {
    expect(compareNorms([1], [1.0005])).toBeNull();
    expect(compareNorms([1], [1.01])).toBe('the norm after its clip is 1.01, after ours 1');
    expect(compareNorms([1], undefined)).toContain('does not tell');
    expect(compareNorms([null], [3])).toBeNull();
  });
});

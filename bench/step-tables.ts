// step-tables.ts: rows of suite step as tables for docs/PERFORMANCE.md.
import type { Row } from './report.ts';
import { type Best, bestPeer, ourRows } from './verdict.ts';

type Line = readonly string[];

/** A table in Markdown; columns that hold nothing are left out. */
export function markdown(head: Line, lines: readonly Line[]): string {
  const full = head.map((_, i) => i === 0 || lines.some((line) => line[i] !== NOTHING));
  const print = (line: Line): string => `| ${line.filter((_, i) => full[i]).join(' | ')} |`;
  return [print(head), `|${'---|'.repeat(full.filter(Boolean).length)}`, ...lines.map(print)].join('\n');
}

/** The page with the tables in place of those between its marks. @throws Error where it has no such marks */
export function putTables(page: string, tables: string): string {
  const [begin, end] = [tables.slice(0, tables.indexOf('\n')), tables.slice(tables.lastIndexOf('\n') + 1)];
  const from = page.indexOf(begin);
  const to = page.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`--into: the page has no ${begin} with ${end} after it`);
  return page.slice(0, from) + tables + page.slice(to + end.length);
}

const NOTHING = '-';
const digits = (value: unknown, n: number): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(n))) : NOTHING;
const figure = (value: unknown): string => digits(value, 3);
const percent = (value: unknown): string => (typeof value === 'number' ? `${digits(value, 3)} %` : NOTHING);

/** Rows of one number of threads, by workload, in order of first appearance. */
function byWorkload(rows: readonly Row[]): (readonly Row[])[] {
  const names = [...new Set(rows.map((row) => row.workload))];
  return names.map((name) => rows.filter((row) => row.workload === name));
}

/** How ours compares with the best peer in f32, with the best in bf16 where that is faster, and with the floor. */
function summary(cells: readonly (readonly Row[])[]): string {
  const head = [
    ...['workload', 'gradclip, ms', 'best f32 peer', 'ms', 'times as fast', '95 %', 'floor, ms', 'share of it'],
    ...['faster in bf16', 'ms', 'times as fast', '95 %'],
  ];
  const lines = cells.flatMap((cell) =>
    ourRows(cell).map((ours): Line => {
      const [plain, any] = [bestPeer(cell, ours, 'f32'), bestPeer(cell, ours)];
      const floor = [figure(ours.floor_ms), percent(ours.floor_percent)];
      return [
        ...[`${ours.workload}${ours.precision ? ` in ${ours.precision}` : ''}`, figure(ours.median_ms)],
        ...[...against(plain), ...floor, ...against(any?.peer === plain?.peer ? null : any)],
      ];
    }),
  );
  return markdown(head, lines);
}

/** The peer, its time, how many times as fast ours is, and between what that lies. */
function against(best: Best | null): Line {
  if (!best) return [NOTHING, NOTHING, NOTHING, NOTHING];
  const between = best.between ? `${figure(best.between[0])} to ${figure(best.between[1])}` : NOTHING;
  return [`${best.peer}${best.way === 'chunk' ? ', many steps a call' : ''}`, figure(best.ms), figure(best.ratio), between];
}

/** Every engine's step, each in the ways in which it was timed. */
function engines(cells: readonly (readonly Row[])[], peers: readonly string[]): string {
  const ways = [
    { key: 'median_ms', title: '' },
    { key: 'chunk_ms', title: ', many steps a call' },
    { key: 'awaited_ms', title: ', each awaited' },
    { key: 'fit_each_ms', title: ', a fit each' },
  ];
  const columns = peers.flatMap((peer) => ways.map((way) => ({ ...way, peer })));
  const head = ['ms', ...columns.map(({ peer, title }) => `${peer}${title}`)];
  const lines = cells.map((cell): Line => {
    const times = columns.map(({ peer, key }) => figure(cell.find((row) => row.peer === peer)?.[key]));
    return [String(cell[0]!.workload), ...times];
  });
  return markdown(head, lines);
}

/** The machine while a workload was measured, and which part of its peak products reached: of fma, of bf16 products where they are in bf16. */
function machine(cells: readonly (readonly Row[])[], peers: readonly string[]): string {
  const head = [
    ...['workload', 'fma, GF/s', 'bf16 products, GF/s', 'stream, GB/s', 'floor with all bytes, ms', 'share of it'],
    ...peers,
  ];
  const lines = cells.map((cell): Line => {
    const ours = ourRows(cell).at(-1);
    const shares = peers.map((peer) => {
      const row = cell.find((row) => row.peer === peer);
      const [square, own] = [percent(row?.square_percent), percent(row?.product_percent)];
      return square === NOTHING && own === NOTHING ? NOTHING : `${square}, ${own}`;
    });
    const bounds = [
      figure(ours?.peak_gflops),
      figure(ours?.bf16_peak_gflops),
      figure(ours?.stream_gbytes),
      figure(ours?.floor_all_ms),
      percent(ours?.floor_all_percent),
    ];
    return [String(cell[0]!.workload), ...bounds, ...shares];
  });
  return markdown(head, lines);
}

/** One figure of every engine. */
function each(cells: readonly (readonly Row[])[], peers: readonly string[], text: (row: Row | undefined) => string): string {
  const lines = cells.map(
    (cell): Line => [String(cell[0]!.workload), ...peers.map((peer) => text(cell.find((row) => row.peer === peer)))],
  );
  return markdown(['workload', ...peers], lines);
}

/**
 * What stands between the marks of docs/PERFORMANCE.md, with them.
 *
 * @param facts lines on machine, versions and command
 */
export function stepTables(facts: readonly string[], rows: readonly Row[]): string {
  const parts = [`<!-- table steps -->\n${facts.map((fact) => `- ${fact}`).join('\n')}`];
  for (const threads of [...new Set(rows.map((row) => row.threads))]) {
    const own = rows.filter((row) => row.threads === threads);
    const cells = byWorkload(own);
    const peers = [...new Set(own.map((row) => row.peer))];
    const on = `on ${threads} thread${threads === 1 ? '' : 's'}`;
    parts.push(
      `### Steps ${on}: the best peer and the floor`,
      summary(cells),
      `### Steps ${on}: every engine`,
      engines(cells, peers),
      `### The machine ${on}, and products as shares of its peak: of 1024 cubed, the largest of the workload`,
      machine(cells, peers),
    );
    const has = (key: string): boolean => own.some((row) => row[key] !== undefined);
    if (has('overhead_percent'))
      parts.push(
        `### What the clip costs ${on}`,
        each(cells, peers, (row) => percent(row?.overhead_percent)),
      );
    if (has('memory_mib'))
      parts.push(
        `### Memory that a model and its first steps take ${on}, MiB`,
        each(cells, peers, (row) => figure(row?.memory_mib)),
      );
  }
  return [...parts, '<!-- end -->'].join('\n\n');
}

// run.ts: the benchmark. Every engine has its own process per cell; rounds of the engines alternate; figures are medians.
//   npm run -s bench -- --suite step --only mlp-small,char-rnn --threads 2 --peers
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { factLines, gather } from './facts.ts';
import { Held } from './held.ts';
import { htmlPage } from './html.ts';
import { measureCell } from './measure.ts';
import { type Options, parse, USAGE } from './options.ts';
import { checkout, engines } from './ours.ts';
import { findPeers } from './peers.ts';
import { Plan, type Planned } from './plan.ts';
import { humanLine, type Row } from './report.ts';
import { Keeper, type Results, readResults } from './results.ts';
import { putTables } from './step-tables.ts';

const tell = (text: string): void => {
  process.stderr.write(`bench: ${text}\n`);
};

async function main(argv: readonly string[]): Promise<void> {
  let options: Options;
  try {
    options = parse(argv);
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n\n${USAGE}\n`);
    process.exitCode = 2;
    return;
  }
  const { suite, suiteName, from } = options;
  const { facts, rows } = from ? readResults(from, suiteName) : await measure(argv, options);
  const lines = factLines(facts);
  if (options.table) {
    const tables = suite.tables!(lines, rows);
    if (options.into) writeFileSync(options.into, putTables(readFileSync(options.into, 'utf8'), tables));
    else console.log(tables);
  }
  if (options.html) writeFileSync(options.html, suite.page?.(lines, rows) ?? htmlPage(suite, facts, rows));
}

/** Measures all cells, and prints each as soon as it is measured. */
async function measure(argv: readonly string[], options: Options): Promise<Results> {
  const { suite, json, threadCounts, cells } = options;
  const engine = fileURLToPath(new URL('./engines/gradclip.js', import.meta.url));
  const ours = engines('gradclip', engine, options.precisions);
  const before = options.against ? checkout(options.against, options.precisions) : [];
  const peers = [...before, ...findPeers(options.peers, tell)];
  const facts = gather(argv, options, peers);
  if (json) console.log(JSON.stringify({ facts }));
  else for (const line of factLines(facts)) console.log(line);

  const rows: Row[] = [];
  if (suite.alone) {
    for (const cell of cells) await suite.alone(cell, options);
    return { facts, rows };
  }
  const keeper = options.results === null ? null : new Keeper(options.results, facts);
  const all = threadCounts.flatMap((threads) =>
    cells.map((cell): Planned => ({ cell, threads, weight: suite.weight?.(cell, threads) ?? 1 })),
  );
  const known = all.flatMap(({ threads, cell }) => keeper?.seconds(threads, cell) ?? []);
  if (known.length > 0) tell(`${known.length} of ${all.length} cells are in ${options.results}`);
  const next = all.filter(({ threads, cell }) => keeper?.seconds(threads, cell) === undefined);
  const spent = known.reduce((sum, seconds) => sum + seconds, 0);
  const plan = options.minutes === null ? null : new Plan(Math.max(0, 60 * options.minutes - spent), next);
  const held = new Held();
  for (const planned of next) {
    const { cell, threads } = planned;
    const begun = performance.now();
    const elapsed = (): number => (performance.now() - begun) / 1000;
    const slot = plan && { held, seconds: (engines: number) => plan.share(planned, engines, elapsed()) };
    const measured = await measureCell(cell, ours, peers, { ...options, threads }, slot);
    plan?.over(planned, elapsed());
    // In a run over everything it is no news that a peer has no such policy.
    for (const [peer, fault] of measured.faults) if (!(slot && / has no /.test(fault))) tell(`${peer}: ${cell}: ${fault}`);
    if (!slot && ours.some(({ peer }) => measured.faults.has(peer))) process.exitCode = 1;
    for (const row of measured.rows) console.log(json ? JSON.stringify(row) : humanLine(row));
    for (const verdict of suite.verdict?.(measured.rows) ?? []) console.log(json ? JSON.stringify({ verdict }) : verdict);
    keeper?.add({ cell, threads, seconds: elapsed(), faults: Object.fromEntries(measured.faults) }, measured.rows);
    rows.push(...measured.rows);
  }
  held.close();
  keeper?.close();
  return keeper ? keeper.results(options.suiteName) : { facts, rows };
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  // Of files that are not there, or not what they should be: what is wrong, and no stack.
  tell((error as Error).message);
  process.exitCode = 1;
}

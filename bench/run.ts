// run.ts: the benchmark. Every engine has its own process per cell; rounds of the engines alternate; figures are medians.
//   npm run -s bench -- --suite step --only mlp-small,char-rnn --threads 2 --peers
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { factLines, gather } from './facts.ts';
import { htmlPage } from './html.ts';
import { measureCell } from './measure.ts';
import { type Options, parse, USAGE } from './options.ts';
import { checkout, engines } from './ours.ts';
import { findPeers } from './peers.ts';
import { humanLine, type Row } from './report.ts';
import { type Results, readResults } from './results.ts';

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
  if (options.table) console.log(suite.tables!(lines, rows));
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
  for (const [threads, cell] of threadCounts.flatMap((n) => cells.map((cell) => [n, cell] as const))) {
    const measured = await measureCell(cell, ours, peers, { ...options, threads });
    for (const [peer, fault] of measured.faults) tell(`${peer}: ${cell}: ${fault}`);
    if (ours.some(({ peer }) => measured.faults.has(peer))) process.exitCode = 1;
    for (const row of measured.rows) console.log(json ? JSON.stringify(row) : humanLine(row));
    for (const verdict of suite.verdict?.(measured.rows) ?? []) console.log(json ? JSON.stringify({ verdict }) : verdict);
    rows.push(...measured.rows);
  }
  return { facts, rows };
}

await main(process.argv.slice(2));

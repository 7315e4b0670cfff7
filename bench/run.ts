// run.ts: the benchmark. Every engine has its own process per cell; rounds of the engines alternate; figures are medians.
//   npm run -s bench -- --suite step --only mlp-small,char-rnn --threads 2 --peers
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Launch } from './engine.ts';
import { factLines, gather } from './facts.ts';
import { htmlPage } from './html.ts';
import { measureCell } from './measure.ts';
import { type Options, parse, USAGE } from './options.ts';
import { checkout, findPeers } from './peers.ts';
import { humanLine, type Row } from './report.ts';

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
  const engine = fileURLToPath(new URL('./engines/gradclip.js', import.meta.url));
  const ours: Launch = { peer: 'gradclip', command: process.execPath, args: [engine] };
  const peers = [...(options.against ? [checkout(options.against)] : []), ...findPeers(options.peers, tell)];
  const facts = gather(argv, options, peers);
  if (options.json) console.log(JSON.stringify({ facts }));
  else for (const line of factLines(facts)) console.log(line);

  if (options.suite.alone) {
    for (const cell of options.cells) await options.suite.alone(cell, options);
    return;
  }
  const rows: Row[] = [];
  for (const [threads, cell] of options.threadCounts.flatMap((n) => options.cells.map((cell) => [n, cell] as const))) {
    const measured = await measureCell(cell, [ours, ...peers], { ...options, threads });
    for (const [peer, fault] of measured.faults) tell(`${peer}: ${cell}: ${fault}`);
    if (measured.faults.has(ours.peer)) process.exitCode = 1;
    for (const row of measured.rows) console.log(options.json ? JSON.stringify(row) : humanLine(row));
    rows.push(...measured.rows);
  }
  if (options.html)
    writeFileSync(options.html, options.suite.page?.(factLines(facts), rows) ?? htmlPage(options.suite, facts, rows));
}

await main(process.argv.slice(2));

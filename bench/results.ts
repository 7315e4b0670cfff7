// results.ts: what earlier runs wrote with --json, as one run.
import { readFileSync } from 'node:fs';
import type { Facts } from './facts.ts';
import type { Row } from './report.ts';

export interface Results {
  readonly facts: Facts;
  readonly rows: readonly Row[];
}

/** Of a cell that was measured several times, the latest rows count. @throws Error where a file holds no run of the suite */
export function readResults(files: readonly string[], suite: string): Results {
  const all = files.map((file): Results => {
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    const values = lines.map((line) => JSON.parse(line) as { facts?: Facts } & Partial<Row>);
    const facts = values.find((value) => value.facts)?.facts;
    const rows = values.filter((value): value is Row => value.suite === suite && value.peer !== undefined);
    if (!facts || rows.length === 0) throw new Error(`--from: ${file} holds no run of suite ${suite}`);
    return { facts, rows };
  });
  all.sort((a, b) => (a.facts.date < b.facts.date ? -1 : 1));
  const cells = new Map<string, Row[]>();
  for (const { rows } of all) {
    const own = new Map<string, Row[]>();
    for (const row of rows) {
      const key = JSON.stringify([row.threads, row.workload]);
      own.set(key, [...(own.get(key) ?? []), row]);
    }
    for (const [key, list] of own) cells.set(key, list);
  }
  return { facts: merge(all.map((one) => one.facts)), rows: [...cells.values()].flat() };
}

function merge(facts: readonly Facts[]): Facts {
  const [first, last] = [facts[0]!, facts.at(-1)!];
  if (first === last) return first;
  return {
    ...last,
    date: `${first.date} to ${last.date}`,
    command: `${facts.length} runs, the first by ${first.command}`,
    threads: [...new Set(facts.flatMap((one) => one.threads))],
    load: Math.max(...facts.map((one) => one.load)),
    peers: Object.assign({}, ...facts.map((one) => one.peers)),
  };
}

// serve.ts: what every engine in JavaScript is: a process that holds one cell at a time and answers one JSON line a command, as the
// Python peers do (bench/peers/worker.py).
import { createInterface } from 'node:readline';
import type { Cell } from '../../lib/cli/bench/sample.ts';
import type { Digest } from '../engine.ts';

/** A cell of ours. */
export interface Served extends Cell {
  /** What it computes, for others to be compared with. */
  digest?(): Digest;
}

/** The value after `--name` on the command line. */
export function option(name: string, otherwise = ''): string {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : process.argv[at + 1]!;
}

type Command = { readonly variant: string; readonly seconds: number } | { readonly cell: string } | { readonly digest: true };

/** Says what a cell is, or why there is none, then times what it is asked for, or takes another cell, until its input ends. */
export async function serve(open: (cell: string) => Promise<Served | string>, first: string): Promise<void> {
  const say = (value: unknown): boolean => process.stdout.write(`${JSON.stringify(value)}\n`);
  let cell: Served | string;
  const take = async (name: string): Promise<void> => {
    cell = await open(name);
    if (typeof cell === 'string') say({ unsupported: cell });
    else say({ ...cell.info, variants: Object.keys(cell.variants) });
  };
  await take(first);
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as Command;
    const now = cell! as Served;
    if ('cell' in command) {
      if (typeof cell! !== 'string') await now.dispose?.();
      await take(command.cell);
    } else if ('digest' in command) say(now.digest?.() ?? null);
    else say(await now.variants[command.variant]!(command.seconds));
  }
  if (typeof cell! !== 'string') await cell!.dispose?.();
}

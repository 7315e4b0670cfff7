// serve.ts: what every engine in JavaScript is: a process that holds one cell and answers one JSON line a command, as the
// Python peers do (bench/peers/worker.py).
import { createInterface } from 'node:readline';
import type { Cell } from '../../lib/cli/bench/sample.ts';

/** The value after `--name` on the command line. */
export function option(name: string, otherwise = ''): string {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : process.argv[at + 1]!;
}

/** Says what the cell is, or why there is none, then times what it is asked for until its input ends. */
export async function serve(cell: Cell | string): Promise<void> {
  const say = (value: unknown): boolean => process.stdout.write(`${JSON.stringify(value)}\n`);
  if (typeof cell === 'string') {
    say({ unsupported: cell });
    return;
  }
  const { info, variants } = cell;
  say({ ...info, variants: Object.keys(variants) });
  for await (const line of createInterface({ input: process.stdin })) {
    const { variant, seconds } = JSON.parse(line) as { variant: string; seconds: number };
    say(await variants[variant]!(seconds));
  }
}

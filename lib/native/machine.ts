// machine.ts: the machine in a line, as records and pages name it.
import { cpus } from 'node:os';
import { addon } from './addon.ts';

/** Processor, instruction set, Node.js. */
export function machineText(): string {
  return `${cpus()[0]?.model ?? 'unknown processor'}, ${addon().isa}, node ${process.version}`;
}

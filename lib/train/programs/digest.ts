// digest.ts: short texts that tell values and graphs from others, for processes that must have the same.
import { createHash } from 'node:crypto';
import type { Graph, Section } from '../../ir/graph.ts';
import type { Data } from '../../ir/op.ts';
import { graphKey } from '../../ir/print.ts';

/** Of values, 16 digits. */
export function digest(parts: readonly Data[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  return hash.digest('hex').slice(0, 16);
}

/** Of all that a graph computes, 16 digits. @param section of that alone, where processes do different parts of another; null: of all */
export function digestOf(graph: Graph, section: Section | null): string {
  const lines = graphKey(graph).split('\n');
  const of = section === null ? lines : lines.filter((line) => line.split(' ', 2)[1] === section);
  return digest([Buffer.from(of.join('\n'))]);
}

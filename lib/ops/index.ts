// index.ts: the list of all ops, and every public function of theirs. Adding an op: a line here.
import type { OpDef } from '../ir/op.ts';

/** Every op's record. Tests enumerate it. */
// biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
export const OPS: readonly OpDef<any>[] = [];

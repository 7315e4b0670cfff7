// child.ts: a process that runs programs on one instruction set for run.ts: it is told of one after the other, and says what came of each.
import { runtime } from '../../lib/native/runtime.ts';
import { type Digest, digestOf } from './compare.ts';
import type { ProgramSpec, Variant } from './spec.ts';
import { outcomeOf } from './train.ts';

export interface Request {
  readonly spec: ProgramSpec;
  readonly variant: Variant;
  /** Give the values of these, as far as there are any. */
  readonly values: readonly string[];
}

export interface Answer {
  readonly digest: Digest;
  readonly values: ReadonlyMap<string, unknown>;
  /** What was thrown that no run may end with. */
  readonly thrown: string | null;
}

/** What it says first. */
export interface Ready {
  readonly isas: readonly string[];
}

async function answer({ spec, variant, values }: Request): Promise<Answer> {
  try {
    const outcome = await outcomeOf(spec, variant);
    return { digest: digestOf(outcome), values: new Map(values.map((name) => [name, outcome.get(name)])), thrown: null };
  } catch (error) {
    return { digest: new Map(), values: new Map(), thrown: (error as Error).stack ?? String(error) };
  }
}

process.on('message', async (request: Request) => process.send!(await answer(request)));
process.on('disconnect', () => process.exit());
process.send!({ isas: runtime().isas } satisfies Ready);

// variants.ts: the ways in which a program is run beside the plain one: each changes one thing that must change nothing, some a team as well.
import { Random } from './random.ts';
import type { ProgramSpec, Variant } from './spec.ts';

export const PLAIN: Variant = {
  threads: 1,
  isa: null,
  poison: false,
  sync: false,
  chunk: null,
  resume: [],
  stream: false,
  between: null,
  given: false,
  checkpointed: null,
  alone: false,
};

/** Team sizes: those that are no prime cut work in several ways at once. */
const TEAMS = [2, 3, 4, 4, 5, 6, 6, 7, 8, 9, 12, 16];

/** What a change is called. */
type Kind = 'team' | 'isa' | 'sync' | 'chunk' | 'resume' | 'stream' | 'between' | 'given' | 'checkpointed' | 'alone';

/**
 * Ways that may differ from each other: the baseline has no fma, and what a backward pass computes again was not kept as bf16. Each is compared with
 * its own plain run.
 */
export function plainOf({ activations }: ProgramSpec, { isa, checkpointed }: Variant): Variant {
  return {
    ...PLAIN,
    isa: isa === 'x86_64' ? isa : PLAIN.isa,
    checkpointed: activations === 'bf16' ? checkpointed : PLAIN.checkpointed,
  };
}

/** Four ways to run a program, the first in a team. `isas` are those of the machine, the best first. */
export function drawVariants(spec: ProgramSpec, isas: readonly string[]): Variant[] {
  const r = new Random(spec.seed, 'variants');
  const kinds: Kind[] = ['isa', 'sync', 'chunk', 'checkpointed', ...(resumes(spec) ? (['resume', 'between'] as const) : [])];
  if (mayBeGiven(spec)) kinds.push('given');
  if (tailStep(spec) !== null) kinds.push('alone');
  if (spec.input.source === 'rows') kinds.push('stream');
  while (kinds.length > 3) kinds.splice(r.between(0, kinds.length - 1), 1);
  while (kinds.length < 3) kinds.push('team');
  const changes: Readonly<Record<Kind, () => Partial<Variant>>> = {
    team: () => ({ threads: r.pick(TEAMS), sync: r.chance(0.3) }),
    isa: () => ({ isa: otherIsa(r, isas) }),
    sync: () => ({ sync: true }),
    chunk: () => ({ chunk: r.chance(0.7) ? 1 : 2 }),
    resume: () => ({ resume: cuts(r, spec.steps) }),
    stream: () => ({ stream: true }),
    between: () => ({ between: r.pick(['pieces', 'shared', 'changed'] as const), sync: r.chance(0.5) }),
    given: () => ({ given: true, sync: r.chance(0.5) }),
    checkpointed: () => ({
      checkpointed: drawPattern(r, spec),
      sync: r.chance(0.3),
      resume: resumes(spec) && r.chance(0.3) ? cuts(r, spec.steps) : [],
    }),
    alone: () => ({ resume: [tailStep(spec)!], alone: true }),
  };
  return (['team', ...kinds] as const).map((kind) => {
    return { ...PLAIN, threads: r.chance(0.5) ? r.pick(TEAMS) : 1, poison: r.chance(0.5), ...changes[kind]() };
  });
}

/** AVX2 beside AVX-512, and now and then the baseline beside itself in a team; where there is nothing else, the best one. */
function otherIsa(r: Random, isas: readonly string[]): string | null {
  const others = isas.slice(1);
  const [next] = others;
  if (next === undefined) return null;
  return r.chance(0.7) || others.length === 1 ? next : r.pick(others);
}

/** Modules of a network: all of it, or its layers, or what is in them, or one layer. */
function drawPattern(r: Random, { layers }: ProgramSpec): string {
  return r.pick(['body', 'body.*', `body.${r.between(0, layers.length)}`, `*.${r.between(0, layers.length)}`]);
}

function cuts(r: Random, steps: number): number[] {
  const first = r.between(1, steps - 1);
  return r.chance(0.2) && first < steps - 1 ? [first, r.between(first + 1, steps - 1)] : [first];
}

/** Trials go by the length of their fit, of which those of a run in parts have others. */
const resumes = ({ steps, policy: { name, args } }: ProgramSpec): boolean =>
  steps > 1 && (name !== 'auto' || 'decisions' in (args[0] as object));

/** Whether single steps make what a fit makes: where nothing follows the fit that changes what comes. */
function mayBeGiven({ input, around, policy }: ProgramSpec): boolean {
  const guards = (around.guards ?? []) as readonly { readonly action?: unknown }[];
  const back = JSON.stringify(guards).includes('rollback');
  return input.source === 'rows' && policy.name !== 'auto' && around.plateau === undefined && !back;
}

/** The step that is the last of the program and has the shorter last batch of the first epoch; null if that is not so. */
export function tailStep(spec: ProgramSpec): number | null {
  const { rows, batchSize, accumulate, dropLast, steps, input } = spec;
  const tail = rows % batchSize;
  // Who trains on that batch alone validates in batches of its size, whose losses add up to other last bits.
  if (spec.around.plateau !== undefined) return null;
  const at = Math.floor(rows / batchSize);
  if (accumulate > 1 || dropLast || tail === 0 || at === 0 || input.source !== 'rows' || !resumes(spec)) return null;
  return steps === at + 1 ? at : null;
}

// plan.ts: what `gradclip lab` tries: the lists of the library, cut down by flags, or what a file says.
import { dirname, resolve } from 'node:path';
import { DataError, OptionError } from '../../errors.ts';
import { readJson } from '../../io/json-file.ts';
import { type PlannedWorkload, planned } from '../../lab/cell.ts';
import { type LabOptimizer, OPTIMIZERS } from '../../lab/line.ts';
import type { LabPlan } from '../../lab/plan.ts';
import { type LabPolicy, POLICIES, REFERENCE, USUAL } from '../../lab/policies.ts';
import { HELD_OUT } from '../../lab/workloads/held-out/list.ts';
import { WORKLOADS } from '../../lab/workloads/list.ts';
import { choice, either, list, nearest, object, Place, record, show, text, whole } from '../../options/index.ts';
import { type Arguments, usage } from '../args.ts';
import { makePolicy } from '../config/build.ts';
import { policies as clip, type Named } from '../config/config.ts';
import { configured, digest } from './configured.ts';

const SEEDS = 10;
/** What `--workloads` calls those that clip.auto was not made with. */
const HELD = 'held-out';
const BOTH = OPTIMIZERS.filter((name) => name !== 'own');

/** A policy of one's own: a configuration of key clip for each level, the first being the usual one. */
interface OwnPolicy {
  readonly name: string;
  readonly levels: Readonly<Record<string, readonly Named[]>>;
}

interface PlanFile {
  readonly $schema: string | undefined;
  readonly workloads: readonly string[] | undefined;
  readonly policies: readonly (string | OwnPolicy)[] | undefined;
  readonly optimizers: readonly LabOptimizer[] | undefined;
  readonly seeds: number | undefined;
}

const PLAN = object<PlanFile>({
  $schema: text.optional(),
  workloads: list(text, { min: 1 }).optional(),
  policies: list(either(text, object<OwnPolicy>({ name: text, levels: record(clip) })), { min: 1 }).optional(),
  optimizers: list(choice(...BOTH), { min: 1 }).optional(),
  seeds: whole({ min: 1, max: 10_000 }).optional(),
});

/** @throws OptionError for a name that nothing has, and where a file says something else than a plan; DataError where data of a configuration are unusable */
export async function readPlan(args: Arguments, cwd: string): Promise<LabPlan> {
  const operand = args.operands[0];
  const file = operand === undefined ? null : resolve(cwd, operand);
  const plan = file === null ? PLAN.read({}, new Place('', '', '')) : await readFile(file);
  const listed = Array.from(WORKLOADS.values(), planned);
  const others = Array.from(HELD_OUT.values(), planned);
  const all = [...listed, ...others];
  const workloads = plan.workloads ? await workloadsOf(plan.workloads, all, file!) : listed;
  const policies = plan.policies ? policiesOf(plan.policies, file!) : USUAL;
  return {
    workloads: args.text('workloads') === HELD ? others : picked(args, 'workloads', plan.workloads ? workloads : all, workloads),
    policies: picked(args, 'policies', plan.policies ? policies : [...POLICIES.values()], policies),
    optimizers: picked(
      args,
      'optimizers',
      (plan.optimizers ?? BOTH).map((name) => ({ name })),
    ).map(({ name }) => name),
    seeds: Array.from({ length: args.number('seeds') ?? plan.seeds ?? SEEDS }, (_, i) => i),
  };
}

async function readFile(file: string): Promise<PlanFile> {
  try {
    return PLAN.read(await readJson(file), new Place('', '', ''));
  } catch (error) {
    if (error instanceof DataError) throw new OptionError(error.message, { file }, { cause: error });
    if (error instanceof OptionError)
      throw new OptionError(`${file}: ${error.message}`, { ...error.details, file }, { cause: error });
    throw error;
  }
}

/** Names of the list, and configurations by their files. */
async function workloadsOf(names: readonly string[], all: readonly PlannedWorkload[], file: string): Promise<PlannedWorkload[]> {
  const made: PlannedWorkload[] = [];
  for (const [i, name] of names.entries()) {
    const place = `${file}: workloads[${i}]`;
    const known = all.find((one) => one.name === name);
    if (!known && !name.endsWith('.json')) {
      throw new OptionError(`${place}: ${unknown(name, all)}, or a configuration: a file that ends in .json`, { file });
    }
    const one = known ?? (await configured(resolve(dirname(file), name)));
    if (made.some((other) => other.name === one.name))
      throw new OptionError(`${place}: ${show(one.name)} is there twice`, { file });
    made.push(one);
  }
  return made;
}

function policiesOf(given: readonly (string | OwnPolicy)[], file: string): LabPolicy[] {
  const all = [...POLICIES.values()];
  const made: LabPolicy[] = [];
  for (const [i, one] of given.entries()) {
    const place = `${file}: policies[${i}]`;
    const name = typeof one === 'string' ? one : one.name;
    const known = POLICIES.get(name);
    if (typeof one === 'string' && !known) throw new OptionError(`${place}: ${unknown(name, all)}`, { file });
    if (typeof one !== 'string' && (known || name === REFERENCE.name)) {
      throw new OptionError(`${place}.name: ${show(name)} is a policy of the laboratory: take another name`, { file });
    }
    if (made.some((other) => other.name === name)) throw new OptionError(`${place}: ${show(name)} is there twice`, { file });
    made.push(typeof one === 'string' ? known! : own(one, place));
  }
  return made;
}

function own({ name, levels }: OwnPolicy, place: string): LabPolicy {
  const entries = Object.entries(levels);
  if (entries.length === 0) throw new OptionError(`${place}.levels: expected one level at least, got none`, { name });
  for (const [level, configs] of entries) {
    try {
      makePolicy(configs);
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      throw new OptionError(`${place}.levels.${level}: ${error.message}`, error.details, { cause: error });
    }
  }
  return {
    ...{ name, about: 'of a file', oneProgram: false, made: digest(levels) },
    levels: entries.map(([level, configs], i) => ({
      name: level,
      ...(i === 0 && { usual: true as const }),
      make: () => makePolicy(configs),
    })),
  };
}

interface HasName {
  readonly name: string;
}

function unknown(name: string, all: readonly HasName[]): string {
  const known = all.map((one) => one.name);
  const near = nearest(name, known);
  return `${show(name)} is none of them${near === undefined ? `; there are ${known.join(', ')}` : `; did you mean ${near}?`}`;
}

/** Those that a flag names, in the order of the list. */
function picked<T extends HasName>(args: Arguments, flag: string, all: readonly T[], usual: readonly T[] = all): readonly T[] {
  const given = args.text(flag);
  if (given === undefined) return usual;
  const names = given.split(',');
  const stranger = names.find((name) => !all.some((one) => one.name === name));
  if (stranger !== undefined) throw usage(args.command, `--${flag}: ${unknown(stranger, all)}`);
  return all.filter((one) => names.includes(one.name));
}

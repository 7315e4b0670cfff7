// sharing.ts: how a step is cut where several processes train together, and what they cannot do together.
import type { ClipPolicy } from '../../clip/clip.ts';
import { OptionError } from '../../errors.ts';
import type { Precision } from '../../ir/op.ts';
import type { Group } from '../../mpi/group.ts';
import type { Buffer, Module } from '../../nn/module/module.ts';
import type { Ranked } from '../../ops/step/parts.ts';
import type { Optimizer } from '../../optim/optimizer.ts';
import type { TrainerOptions } from '../options.ts';

/** Parts of a batch, where nobody says another number. */
export const SHARDS = 8;

type Cut = Pick<TrainerOptions<Module, string>, 'group' | 'shards' | 'accumulate'>;
type Updates = Pick<TrainerOptions<Module, string>, 'group' | 'shardOptimizer'>;

/** Parts of a batch. */
export const shardsOf = ({ group, shards = SHARDS }: Cut): number => (group ? shards : 1);

/** Micro-batches of a step. */
export const microsOf = (options: Cut): number => (options.accumulate ?? 1) * shardsOf(options);

/** Whose part of the updates this process does; null: all of them. */
export const rankedOf = ({ group, shardOptimizer }: Updates): Ranked | null => (group && shardOptimizer ? group : null);

/** Options that go with a group, as they were given. */
interface Shared {
  readonly group?: Group | undefined;
  readonly shards?: number | undefined;
  readonly shardOptimizer: boolean;
  readonly compareEvery?: number | undefined;
  readonly wire?: Precision | undefined;
  readonly batchSize: number;
  readonly accumulate: number;
  readonly debug: boolean;
  readonly guards: readonly { readonly action: string }[];
  readonly clip?: ClipPolicy | undefined;
  readonly syncBatchNorm: boolean;
  readonly optimizer: Optimizer;
}

function refuse(where: string, option: string, why: string, value: unknown): never {
  throw new OptionError(`${where}: option ${option}: ${why}`, { option, value });
}

/** @throws OptionError for what processes cannot do together */
export function checkGroup({
  group,
  shards,
  wire,
  shardOptimizer,
  compareEvery,
  batchSize,
  accumulate,
  debug,
  guards,
  clip,
  syncBatchNorm,
  optimizer,
}: Shared): void {
  if (syncBatchNorm && accumulate > 1 && debug)
    refuse(
      'Trainer',
      'debug',
      'it runs micro-batches one after the other, and with syncBatchNorm they wait for each other',
      debug,
    );
  if (!group) {
    if (shards !== undefined) refuse('Trainer', 'shards', `it cuts the batches of a group, got ${shards} and no group`, shards);
    if (shardOptimizer)
      refuse('Trainer', 'shardOptimizer', 'it shares updates out in a group, and there is none', shardOptimizer);
    if (compareEvery !== undefined)
      refuse('Trainer', 'compareEvery', 'processes of a group compare weights: give group, too', compareEvery);
    if (wire !== undefined)
      refuse('Trainer', 'wire', `it is for what processes of a group send, got '${wire}' and no group`, wire);
    return;
  }
  checkBatch('Trainer', batchSize, shards ?? SHARDS);
  const micros = (shards ?? SHARDS) * accumulate;
  if (micros < group.size) {
    refuse('Trainer', 'shards', `a step of ${micros} micro-batches leaves nothing to some of ${group.size} processes`, shards);
  }
  if (debug) refuse('Trainer', 'debug', 'it looks at one process alone: leave out group', debug);
  if (shardOptimizer && guards.some(({ action }) => action === 'rollback')) {
    const why =
      'to roll back takes a copy of all state, of which each process has a part with shardOptimizer: take another action';
    refuse('Trainer', 'guards', why, 'rollback');
  }
  checkTrains('Trainer', { group, optimizer, ...(clip && { clip }) });
}

/** @throws OptionError for what else than `fit` trains, or does what a fit would do */
export function checkAlone(where: string, { group }: Cut): void {
  if (group)
    refuse(where, 'group', 'it looks at one process alone: make a trainer of the model without the group for it', 'group');
}

/** @throws OptionError for a policy or an optimizer that processes cannot have together */
export function checkTrains(
  where: string,
  { group, clip, optimizer }: { readonly group?: Group | undefined; readonly clip?: ClipPolicy; readonly optimizer: Optimizer },
): void {
  if (group && optimizer.search)
    refuse(where, 'optimizer', `${optimizer.name} evaluates several times in a step: not with a group`, optimizer.name);
  if (group && clip?.auto) refuse(where, 'clip', 'clip.auto tries thresholds in one process: not with a group', 'auto');
}

/** @throws OptionError unless batches of so many rows can be cut */
export function checkBatch(where: string, batchSize: number, shards: number): void {
  if (batchSize % shards === 0) return;
  const below = Math.floor(batchSize / shards) * shards;
  const near = [below, below + shards].filter((n) => n > 0).join(' or ');
  refuse(where, 'batchSize', `expected a multiple of the ${shards} shards, such as ${near}, got ${batchSize}`, batchSize);
}

/** @throws OptionError where a model has what goes on from one micro-batch to the next, which are not one after the other */
export function checkBuffers(option: 'group' | 'syncBatchNorm', buffers: readonly Buffer[]): void {
  const first = buffers.find(({ aggregation }) => aggregation === 'none');
  if (!first) return;
  const why = first.eachEpoch
    ? 'is carried from one micro-batch to the next, which are not one after the other'
    : "has one value for each micro-batch: make it with option aggregation, 'mean' or 'sum', which says what becomes of them";
  const text = `Trainer: option ${option}: buffer ${first.name} ${why}`;
  throw new OptionError(text, { option, name: first.name });
}

/**
 * @param isStream batches come one after the other
 * @param isCut rows do, and are cut into batches
 * @throws OptionError for data that processes cannot have together
 */
export function checkFitTogether(where: string, isStream: boolean, isCut: boolean, sharded: boolean, options: Cut): void {
  const { group } = options;
  if (!group) {
    if (sharded) refuse(where, 'sharded', 'the data of a group of processes are sharded, and the trainer has no group', sharded);
    return;
  }
  if ((isStream || isCut) && !sharded) {
    const why = 'all processes of a group would draw the same stream: with sharded: true each gives batches of its own';
    refuse(where, 'sharded', why, sharded);
  }
  const shards = shardsOf(options);
  if (sharded && !isStream && shards % group.size !== 0) {
    const text = `shards: ${shards} parts of a batch cannot be those of ${group.size} processes, each of its own rows: give a multiple`;
    throw new OptionError(`${where}: option ${text}`, { option: 'shards', value: shards });
  }
}

/** When checkpoints are due. */
interface Rule {
  readonly every: { readonly seconds?: number | undefined };
}

/** @throws OptionError for checkpoints that processes which have a part of the state each would not make at the same step */
export function checkCheckpoints(where: string, options: Updates, rule: Rule | null | undefined): void {
  if (!rankedOf(options) || rule?.every.seconds === undefined) return;
  const text = 'with shardOptimizer all processes give their part at the same step: give every { steps } in place of seconds';
  refuse(where, 'checkpoint', text, rule.every.seconds);
}

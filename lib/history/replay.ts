// replay.ts: what policies would have done on a run that was recorded, by their own graphs.

import { policy } from '../clip/build.ts';
import type { ClipPolicy } from '../clip/clip.ts';
import { custom, type Field, list, options, record, signature, whole } from '../options/index.ts';
import { decide } from './decide.ts';
import { type History, type HistoryLike, historyLike } from './history.ts';

/** Options of `replay`. */
export interface ReplayOptions {
  /** First steps that figures leave out, as `Advice.warmup` has it. Policies are run on all steps. Default 0. */
  readonly warmup?: number;
  /** The step at which figures end, as `Advice.evidence.until` has it. Default: all steps are counted. */
  readonly until?: number;
}

/** What one policy would have done. Arrays have an element a step, up to the one that would have ended the run. */
export interface Replayed {
  /** The name that the policy was given; else its own, with a number where several have it. */
  readonly name: string;
  /** The policy's own name. */
  readonly policy: string;
  /** The norms of the history are all that the policy goes by, so this is what it does with them. */
  readonly exact: boolean;
  /** Why it is not exact; where there are no steps then, why the policy cannot be replayed at all. */
  readonly reason: string | null;
  /** Why the run would have ended, at its last step; null if it would not. */
  readonly ended: string | null;
  /** Steps that the policy was run on, up to the one that would have ended the run; 0 where it cannot be replayed. */
  readonly steps: number;
  /** Steps that the following figures are of: those from `warmup` to `until`. */
  readonly counted: number;
  /** The fraction of the steps that are not skipped in which it clips. */
  readonly clipRate: number;
  /** Steps that it skips. */
  readonly skipped: number;
  /** Mean scale of the steps that are not skipped. */
  readonly meanScale: number;
  /** 1 - (sum of norms after) / (sum of norms before), of the steps that are not skipped: how much of the gradients is taken away; below 0 where they are scaled up. */
  readonly removed: number;
  /** By step, the norm after the clip. */
  readonly normAfter: Float64Array;
  /** By step, what the gradient is multiplied by; 0 where it is skipped. */
  readonly scale: Float64Array;
  /** By step, the threshold; Infinity where there is none. */
  readonly threshold: Float64Array;
  /** By step, 1 where it clips, else 0. */
  readonly clipped: Uint8Array;
  /** By step, 1 where it skips, else 0. */
  readonly isSkipped: Uint8Array;
}

/** What `replay` gives. */
export interface Replay {
  /** The history that the policies were run on. */
  readonly history: History;
  /** What each policy would have done, in the order given. */
  readonly policies: readonly Replayed[];
}

/** Policies in a list, or by the name they shall have. */
export type Policies = readonly ClipPolicy[] | Readonly<Record<string, ClipPolicy>>;

const policies: Field<Policies, readonly [string, ClipPolicy][]> = custom('policies in a list or by name', (given, place) => {
  const entries = Array.isArray(given)
    ? list(policy)
        .read(given, place)
        .map((p): [string, ClipPolicy] => [p.name, p])
    : Object.entries(record(policy, 'policies in a list or by name').read(given, place));
  if (entries.length === 0) throw place.refuse('expected at least one policy, got none', { value: given });
  return entries;
});
const readReplay = signature(
  'replay',
  { history: historyLike, policies },
  options<ReplayOptions>()({ warmup: whole({ min: 0 }).default(0), until: whole({ min: 0 }).optional() }),
);

/**
 * Run clip policies on recorded norms: each policy's own graph is compiled with the norms in place of gradients, so that thresholds by
 * step and policies with state do what they do in a run. The norms stay those of the recorded run; under another policy the weights,
 * and so the norms, would have taken another way. A policy that needs more than norms (elements, parameters) is not replayed, and its
 * `reason` says so.
 *
 * @param history what `readRecord` gives, reports of steps, or norms; policies that treat tensors one by one need `perLayer` records
 * @throws OptionError
 */
export function replay(history: HistoryLike, policies: Policies, options: ReplayOptions = {}): Replay {
  const { history: all, policies: given, warmup, until = all.length } = readReplay(arguments);
  const counts = (i: number): boolean => i >= warmup && i < until;
  return { history: all, policies: distinct(given).map(([name, policy]) => replayOne(name, policy, all, counts)) };
}

function replayOne(name: string, policy: ClipPolicy, history: History, counts: (step: number) => boolean): Replayed {
  const { reports, ended, reason } = decide(policy, history);
  const counted = reports.filter((_, i) => counts(i));
  const applied = counted.filter((r) => !r.skipped);
  const part = (sum: number): number => sum / applied.length;
  const total = (key: 'norm' | 'normAfter' | 'scale'): number => applied.reduce((s, r) => s + r[key], 0);
  const before = total('norm');
  return {
    name,
    policy: policy.name,
    exact: reason === null,
    reason,
    ended,
    steps: reports.length,
    counted: counted.length,
    clipRate: part(applied.filter((r) => r.clipped).length),
    skipped: counted.length - applied.length,
    meanScale: part(total('scale')),
    removed: before === 0 ? 0 : 1 - total('normAfter') / before,
    normAfter: Float64Array.from(reports, (r) => r.normAfter),
    scale: Float64Array.from(reports, (r) => r.scale),
    threshold: Float64Array.from(reports, (r) => r.threshold),
    clipped: Uint8Array.from(reports, (r) => Number(r.clipped)),
    isSkipped: Uint8Array.from(reports, (r) => Number(r.skipped)),
  };
}

/** Two of one kind keep apart. */
function distinct(entries: readonly [string, ClipPolicy][]): [string, ClipPolicy][] {
  const seen = new Map<string, number>();
  return entries.map(([name, p]) => {
    const n = (seen.get(name) ?? 0) + 1;
    seen.set(name, n);
    return [n === 1 ? name : `${name} (${n})`, p];
  });
}

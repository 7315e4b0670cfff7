// convergence-policies.ts: what each clip policy does for a recurrent network whose gradients explode: the table of docs/CLIPPING.md.
// Network, text and optimizer are those of `gradclip demo`.

import { ownSources } from '../lib/cli/demo/corpus.ts';
import { POLICIES } from '../lib/clip/list.ts';
import { clip, optim, Trainer, tokenizer, windows } from '../lib/index.ts';
import { CharRNN, charRnnLoss } from '../lib/models/index.ts';

/** Where the policy of the list waits for many steps or has a threshold for other gradients: what suits this network. */
const SUITED: Readonly<Record<string, () => clip.ClipPolicy>> = {
  // A run of steps that are not finite must not end the training that is there to show them.
  none: () => clip.none({ maxSkips: Infinity }),
  globalNorm: () => clip.globalNorm(0.25),
  perTensorNorm: () => clip.perTensorNorm(0.1),
  averageNorm: () => clip.averageNorm(1e-5),
  blockRms: () => clip.blockRms(1e-3),
  axisNorm: () => clip.axisNorm(0.02),
  rowMaxNorm: () => clip.rowMaxNorm(0.5),
  agc: () => clip.agc(0.03),
  autoClip: () => clip.autoClip(10, { absolute: 0.25 }),
  percentile: () => clip.percentile(5, { absolute: 0.1 }),
  runningMean: () => clip.runningMean(1, { absolute: 0.25 }),
  adaClip: () => clip.adaClip({ absolute: 0.01 }),
  zclip: () => clip.zclip({ max: 0.25 }),
  adaGc: () => clip.adaGc({ absolute: 0.25, warmup: 20 }),
  quantile: () => clip.quantile({ initial: 0.25 }),
  greedyBudget: () => clip.greedyBudget(0.25),
  stochastic: () => clip.stochastic(0.25, { b: 0.9 }),
  softNorm: () => clip.softNorm(0.25),
  soft: () => clip.soft(0.01),
  normalize: () => clip.normalize({ to: 0.25 }),
  sign: () => clip.chain(clip.sign(), clip.globalNorm(0.25)),
  centralize: () => clip.chain(clip.centralize(), clip.globalNorm(0.25)),
  adaGn: () => clip.chain(clip.adaGn(), clip.globalNorm(0.25)),
  qsgd: () => clip.chain(clip.globalNorm(0.25), clip.qsgd()),
  oneBit: () => clip.chain(clip.globalNorm(0.25), clip.oneBit()),
  topK: () => clip.chain(clip.globalNorm(0.25), clip.topK(0.1)),
  spikeSkip: () => clip.spikeSkip({ absolute: 0.25, maxSkips: Infinity }),
};

/** One name per policy: those of the list without a variant. */
export const CONVERGENCE_POLICIES: readonly string[] = Object.keys(POLICIES).filter((name) => !/ |^(chain|groups)$/.test(name));

export interface PolicyOutcome {
  readonly policy: string;
  /** Mean loss of the last tenth of the steps, over seeds; NaN where it is not finite. */
  readonly loss: number;
  /** Part of the steps that were clipped, and the steps skipped of all. */
  readonly clipped: number;
  readonly skipped: number;
  readonly steps: number;
}

export interface PolicySettings {
  readonly steps: number;
  readonly seeds: readonly number[];
  readonly hidden: number;
  readonly batch: number;
  readonly window: number;
  /** What it learns; the first 200,000 characters of the sources if not given. */
  readonly text?: string;
}
export const FULL: PolicySettings = { steps: 300, seeds: [0, 1], hidden: 64, batch: 16, window: 48 };

/** Train the network with one policy. */
export async function trainWith(policy: string, settings: PolicySettings): Promise<PolicyOutcome> {
  const { steps, seeds, hidden, batch, window, text = ownSources().slice(0, 200_000) } = settings;
  const vocab = tokenizer.char(text);
  const tokens = vocab.encode(text);
  let [loss, clipped, skipped] = [0, 0, 0];
  for (const seed of seeds) {
    using trainer = new Trainer({
      model: new CharRNN(vocab.size, { kind: 'rnn', embedding: 32, hidden }),
      loss: charRnnLoss,
      optimizer: optim.sgd({ lr: 1, momentum: 0.9 }),
      clip: (SUITED[policy] ?? POLICIES[policy]!)(),
      batchSize: batch,
      seed,
    });
    const losses: number[] = [];
    try {
      for await (const report of trainer.fit(windows(tokens, { length: window }), { steps })) {
        losses.push(report.loss);
        clipped += Number(report.clipped);
        skipped += Number(report.skipped);
      }
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_NON_FINITE') throw error;
      losses.push(Number.NaN);
    }
    const last = losses.slice(-Math.ceil(steps / 10));
    loss += last.reduce((a, b) => a + b, 0) / last.length / seeds.length;
  }
  const all = steps * seeds.length;
  return { policy, loss, clipped: clipped / all, skipped, steps: all };
}

/** The table as Markdown. */
export async function policyTable(): Promise<string> {
  const lines = ['| policy | loss at the end | steps clipped | steps skipped |', '|---|---|---|---|'];
  for (const name of CONVERGENCE_POLICIES) {
    const { loss, clipped, skipped } = await trainWith(name, FULL);
    const shown = Number.isFinite(loss) ? loss.toFixed(2) : 'not finite';
    lines.push(`| \`${name}\` | ${shown} | ${(100 * clipped).toFixed(0)} % | ${skipped} |`);
  }
  return lines.join('\n');
}

// list.ts: the claims that are tried, and what came of them as a table of Markdown.
import { ADAGC } from './adagc.ts';
import { AGC } from './agc.ts';
import { ATTENTION_TAILS } from './attention-tails.ts';
import { AUTOCLIP } from './autoclip.ts';
import { AUTOCLIP_PERCENTILE } from './autoclip-percentile.ts';
import type { Claim, Outcome } from './claim.ts';
import { FEWER_STEPS } from './fewer-steps.ts';
import { LABEL_NOISE } from './label-noise.ts';
import { LOCAL_SMOOTHNESS } from './local-smoothness.ts';
import { SGD_ADAM_GAP } from './sgd-adam-gap.ts';
import { SPAM } from './spam.ts';
import { TEMPORAL_ORDER } from './temporal-order.ts';
import { ZCLIP } from './zclip.ts';

/** In the order of their papers. */
export const CLAIMS: readonly Claim[] = [
  ...[TEMPORAL_ORDER, LOCAL_SMOOTHNESS, FEWER_STEPS, ATTENTION_TAILS, SGD_ADAM_GAP, LABEL_NOISE],
  ...[AUTOCLIP, AUTOCLIP_PERCENTILE, AGC, ZCLIP, ADAGC, SPAM],
];

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** A row for each: what the paper says, and what was found. */
export function claimsTable(outcomes: readonly (readonly [Claim, Outcome])[]): string {
  const rows = outcomes.map(
    ([{ says, paper }, { verdict, figures }]) => `| ${[`${says} (${paper})`, `**${verdict}**`, figures].map(cell).join(' | ')} |`,
  );
  return ['| the claim | here | figures |', '|---|---|---|', ...rows].join('\n');
}

/** How each was tried, and by which rule it was judged, which was there before the trial. */
export function claimsMethod(claims: readonly Claim[]): string {
  return claims.map(({ name, trial, rule }) => `- **${name}**: ${trial}. Rule: ${rule}.`).join('\n');
}

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
    ([{ name, says, paper }, { verdict, figures }]) =>
      `| ${[`**${name}**: ${says} (${paper})`, `**${verdict}**`, figures].map(cell).join(' | ')} |`,
  );
  return ['| the claim | here | figures |', '|---|---|---|', ...rows].join('\n');
}

const WIDTH = 119;

/** A paragraph in lines, those after the first behind blanks. */
function lines(text: string): string {
  const out: string[] = [''];
  for (const word of text.split(' ')) {
    const last = out.at(-1)!;
    if (last.length + word.length + 1 > WIDTH) out.push(`  ${word}`);
    else out[out.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return out.join('\n');
}

/** How each was tried, and by which rule it was judged. */
export function claimsMethod(claims: readonly Claim[]): string {
  const sentence = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}.`;
  return claims.map(({ name, trial, rule }) => lines(`- **${name}**: ${trial}. ${sentence(rule)}`)).join('\n');
}

/** A page with the table, between `<!-- table claims -->` and `<!-- end -->`, and the method, between `<!-- claims method -->` and `<!-- end of claims -->`. */
export function withClaims(page: string, outcomes: readonly (readonly [Claim, Outcome])[]): string {
  const put = (text: string, between: RegExp, made: string): string =>
    text.replace(between, (_, begin: string, end: string) => `${begin}${made}\n${end}`);
  const tabled = put(page, /(<!-- table claims -->\n)[\s\S]*?(<!-- end -->)/, claimsTable(outcomes));
  return put(
    tabled,
    /(<!-- claims method -->\n)[\s\S]*?(<!-- end of claims -->)/,
    claimsMethod(outcomes.map(([claim]) => claim)),
  );
}

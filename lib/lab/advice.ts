// advice.ts: what to take for which kind of network, in a line each, with its evidence.
import type { LabOptimizer } from './line.ts';
import { type KindFacts, type Summary, score } from './summary.ts';
import type { LabKind } from './workload.ts';

/** The best way of a kind, and those that are as good as far as noise tells: the best one's mean lies within their interval. */
export function bestOf({ ways }: KindFacts): { readonly best: KindFacts['ways'][number]; readonly alike: readonly string[] } {
  const [best, ...others] = ways;
  return { best: best!, alike: others.filter(({ low }) => low <= best!.mean).map(({ name }) => name) };
}

const NAMES: Readonly<Record<LabKind, string>> = {
  dense: 'Networks of linear layers',
  image: 'Networks of convolutions',
  recurrent: 'Recurrent networks',
  transformer: 'Transformers',
  recommendation: 'Embeddings and recommendation',
};
const OPTIMIZERS: Readonly<Record<LabOptimizer, string>> = { sgd: 'SGD', adam: 'AdamW', own: 'their own optimizer' };

/** A line for each kind and optimizer, in Markdown. */
export function adviceLines({ kinds }: Pick<Summary, 'kinds'>): string[] {
  return kinds
    .filter(({ ways }) => ways.length > 0)
    .map((facts) => {
      const { best, alike } = bestOf(facts);
      const without = facts.ways.find(({ name }) => name === 'none');
      const others = alike.filter((name) => name !== 'none').slice(0, 4);
      const nothing = !without || best.name === 'none' ? '' : `; without a clip ${interval(without)}`;
      const same =
        others.length === 0 ? '' : `. As good as far as noise tells: ${others.map((name) => `\`${name}\``).join(', ')}`;
      const free = alike.includes('none') ? '. No clip is as good as far as noise tells' : '';
      return `${NAMES[facts.kind]} with ${OPTIMIZERS[facts.optimizer]}: \`${best.name}\`, ${interval(best)}${nothing}; ${facts.workloads} networks, ${facts.problems} scores${same}${free}.`;
    });
}

const interval = ({ mean, low, high }: KindFacts['ways'][number]): string => `${score(mean)} (${score(low)} to ${score(high)})`;

// summary.ts: what the runs of the laboratory come to: policy by policy, kind by kind, pair by pair.
import { median } from '../history/numbers.ts';
import { exp, log } from '../math/index.ts';
import { short } from '../text/format.ts';
import type { LabLine, LabOptimizer } from './line.ts';
import { LADDER, POLICIES, REFERENCE } from './policies.ts';
import { chosen, GOOD, type Problem, problemsOf, scoreOf, wayOf } from './score.ts';
import { GroupedSamples } from './statistics/bootstrap.ts';
import { type Friedman, friedman, nemenyi, spearman, wilcoxon } from './statistics/ranks.ts';
import type { LabKind } from './workload.ts';

/** A policy at one level, or tuned: at the best of its levels by validation. */
export interface Way {
  readonly policy: string;
  /** `tuned`, or a level's name. */
  readonly level: string;
  /** As tables have it: the policy alone for its usual level. */
  readonly name: string;
  readonly usual: boolean;
  /** Runs that it takes. */
  readonly runs: number;
}

/** What a way came to. */
export interface Row extends Way {
  /** Problems that it was tried on. */
  readonly problems: number;
  /** Geometric mean of the scores, and the interval that holds 95 % of such means, were workloads and seeds drawn again. */
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** The largest of the medians of workloads, and whose it is. */
  readonly worst: number;
  readonly worstOf: string;
  /** The largest of the medians of workloads with either optimizer. */
  readonly worstCell: number;
  /** Share of scores up to 1.1. */
  readonly good: number;
  /** Steps in all, those of trials and of other levels too, over those of one run. */
  readonly work: number;
  /** Time of a run over that of one without a clip: median over workloads. All levels of a tuned way. */
  readonly time: number;
  /** Shares of runs that diverged, and of steps that were clipped. */
  readonly diverged: number;
  readonly clipped: number;
}

/** One network with one optimizer, over all seeds. */
export interface CellFacts {
  readonly workload: string;
  readonly kind: LabKind;
  readonly optimizer: LabOptimizer;
  /** Median score of each way, in the order of `ways`; NaN where it was not tried. */
  readonly scores: readonly number[];
  /** Medians over the seeds of runs without a clip; NaN where there is none. */
  readonly norms: Readonly<Record<Fact, number>>;
  /** Loss of the best of ten over that of knowing nothing: how much there is to learn. */
  readonly learned: number;
}

/** What is known of norms without a clip. */
export type Fact = 'p99' | 'tail' | 'drift' | 'median';
export const FACTS: Readonly<Record<Fact, string>> = {
  median: 'median norm',
  p99: '99th percentile over median',
  tail: 'tail index',
  drift: 'last quarter over first',
};

/** Which way is best for a kind of network. */
export interface KindFacts {
  readonly kind: LabKind;
  readonly optimizer: LabOptimizer;
  readonly workloads: number;
  readonly problems: number;
  /** Usual ways, the best first: geometric mean and interval. */
  readonly ways: readonly { readonly name: string; readonly mean: number; readonly low: number; readonly high: number }[];
}

/** How often the first is better than the second, with the same data, weights and batches. */
export interface Duel {
  readonly a: string;
  readonly b: string;
  /** Shares of pairs: better by more than 1 %, within 1 %, worse. */
  readonly wins: number;
  readonly ties: number;
  readonly losses: number;
  /** Share of pairs that are better by anything at all. */
  readonly better: number;
  /** Wilcoxon's, of the medians of workloads with either optimizer. */
  readonly p: number;
}

/** Whose ranks differ by more than chance. */
export interface Ranking extends Friedman {
  readonly names: readonly string[];
  /** Critical difference of Nemenyi, of 95 %. */
  readonly difference: number;
}

/** All of it. */
export interface Summary {
  readonly lines: readonly LabLine[];
  readonly problems: readonly Problem[];
  /** Problems without all ten thresholds, which have no score. */
  readonly incomplete: number;
  /** Policies that do not go with a network, and why: each once. */
  readonly refused: readonly { readonly workload: string; readonly policy: string; readonly why: string }[];
  readonly ways: readonly Way[];
  readonly rows: readonly Row[];
  readonly cells: readonly CellFacts[];
  readonly kinds: readonly KindFacts[];
  readonly duels: readonly Duel[];
  /** Of usual levels, and of tuned ones; null where there are fewer than two ways or cells. */
  readonly ranking: Ranking | null;
  readonly rankingTuned: Ranking | null;
  /** Of the logarithms of scores with each fact, over cells, by way. */
  readonly correlations: readonly { readonly name: string; readonly of: Readonly<Record<Fact, number>> }[];
}

/** Scores closer than this factor are a tie. */
const TIE = 1.01;
export const TUNED = 'tuned';

export function summarize(all: readonly LabLine[]): Summary {
  const refused = new Map(
    all.flatMap(({ workload, policy, refused: why }) =>
      why === undefined ? [] : [[`${workload}\n${policy}`, { workload, policy, why }]],
    ),
  );
  const lines = all.filter((line) => line.refused === undefined);
  const { problems, incomplete } = problemsOf(lines);
  const ways = waysOf(lines);
  const groups = groupedBy(problems, ({ workload }) => workload);
  const ordered = [...groups.values()].flat();
  const scores = new Map(ways.map((way) => [way, ordered.map((problem) => scoreBy(problem, way))]));
  const samples = samplesFor();
  const rows = ways.flatMap((way) => rowOf(way, ordered, scores.get(way)!, samples) ?? []);
  const cells = cellsOf(ordered, ways);
  const usual = ways.filter((way) => way.usual);
  const tuned = ways.filter(
    (way) => way.level === TUNED || (way.usual && way.runs === 1 && levelsOf(lines, way.policy).length === 1),
  );
  return {
    ...{ lines, problems, incomplete, refused: [...refused.values()], ways, rows, cells },
    kinds: kindsOf(ordered, usual),
    duels: duelsOf(ordered, cells, ways, usual),
    ranking: rankingOf(cells, ways, usual),
    rankingTuned: rankingOf(cells, ways, tuned),
    correlations: usual.map((way) => ({ name: way.name, of: correlationsOf(cells, ways.indexOf(way)) })),
  };
}

/** Levels of a policy that were tried; of the global norm its own, which the reference alone has not all of. */
function levelsOf(lines: readonly LabLine[], policy: string): string[] {
  const seen = [...new Set(lines.flatMap((line) => (line.policy === policy ? [line.level] : [])))];
  if (policy !== REFERENCE.name) return seen;
  const own = POLICIES.get(policy)!.levels.map(({ name }) => name);
  return own.every((name) => seen.includes(name)) ? own : [];
}

/** In the order of the list of policies; others as they come. */
function waysOf(lines: readonly LabLine[]): Way[] {
  const known = [...POLICIES.keys()];
  const place = (name: string): number => (known.includes(name) ? known.indexOf(name) : known.length);
  const policies = [...new Set(lines.map(({ policy }) => policy))].sort((a, b) => place(a) - place(b));
  const usual = new Set(lines.flatMap((line) => (line.usual ? [wayOf(line.policy, line.level)] : [])));
  return policies.flatMap((policy): Way[] => {
    const levels = levelsOf(lines, policy);
    // The one that who does not tune takes; of policies that name none the first.
    const first = levels.find((level) => usual.has(wayOf(policy, level))) ?? (policy === REFERENCE.name ? undefined : levels[0]);
    const single = levels.map((level): Way => {
      const name = level === first ? policy : `${policy} ${level}`;
      return { policy, level, name, usual: level === first, runs: 1 };
    });
    const inOrder = [...single.filter((way) => way.usual), ...single.filter((way) => !way.usual)];
    const best: Way = { policy, level: TUNED, name: `${policy}, best of ${levels.length}`, usual: false, runs: levels.length };
    return levels.length > 1 ? [...inOrder, best] : inOrder;
  });
}

/** Runs of a way on a problem; null where one is missing. */
function runsOf(problem: Problem, { policy, level }: Way): readonly LabLine[] | null {
  if (level !== TUNED) {
    const line = problem.runs.get(wayOf(policy, level));
    return line ? [line] : null;
  }
  const all = [...problem.runs.values()];
  return levelsOf(all, policy).map((name) => problem.runs.get(wayOf(policy, name))!);
}

function scoreBy(problem: Problem, way: Way): number {
  const runs = runsOf(problem, way);
  return runs === null || runs.length < way.runs ? Number.NaN : scoreOf(problem, chosen(runs));
}

type SamplesOf = (sizes: readonly number[]) => GroupedSamples;

/** Samples by the sizes of groups, made once for each. */
function samplesFor(): SamplesOf {
  const made = new Map<string, GroupedSamples>();
  return (sizes) => {
    const key = sizes.join();
    const there = made.get(key) ?? new GroupedSamples(sizes);
    made.set(key, there);
    return there;
  };
}

/** Geometric mean and its interval, of values in order of their workloads. */
function meanOf(
  problems: readonly Problem[],
  scores: readonly number[],
  samples: SamplesOf,
): { readonly mean: number; readonly low: number; readonly high: number } {
  const logs = scores.map((score) => log(score));
  const sizes = [...groupedBy(problems, ({ workload }) => workload).values()].map((group) => group.length);
  const [low, high] = samples(sizes).interval(logs);
  return { mean: exp(logs.reduce((a, b) => a + b, 0) / logs.length), low: exp(low), high: exp(high) };
}

function rowOf(way: Way, all: readonly Problem[], allScores: readonly number[], samples: SamplesOf): Row | null {
  const there = all.flatMap((problem, i) => (Number.isNaN(allScores[i]) ? [] : [{ problem, score: allScores[i]! }]));
  if (there.length === 0) return null;
  const scores = there.map(({ score }) => score);
  const lines = there.map(({ problem }) => runsOf(problem, way)!);
  const by = (key: (problem: Problem) => string): [string, number][] =>
    Array.from(
      groupedBy(there, ({ problem }) => key(problem)),
      ([name, group]) => [name, median(group.map(({ score }) => score))],
    );
  const [worstOf, worst] = by(({ workload }) => workload).reduce((a, b) => (b[1] > a[1] ? b : a));
  const cells = by(({ workload, optimizer }) => `${workload}\n${optimizer}`);
  const used = there.map(({ problem }, i) => ({ problem, lines: lines[i]!, line: chosen(lines[i]!) }));
  const share = (count: number): number => count / there.length;
  const total = (line: LabLine): number => (line.steps + line.extra) / line.steps;
  return {
    ...way,
    problems: there.length,
    ...meanOf(
      there.map(({ problem }) => problem),
      scores,
      samples,
    ),
    ...{ worst, worstOf, worstCell: Math.max(...cells.map(([, score]) => score)) },
    good: share(scores.filter((score) => score <= GOOD).length),
    work: used.reduce((sum, { lines }) => sum + lines.reduce((s, line) => s + total(line), 0), 0) / there.length,
    time: timeOf(used),
    diverged: share(used.filter(({ line }) => line.diverged !== null).length),
    clipped: median(used.map(({ line }) => line.clipped)),
  };
}

/** Time of all runs of a way over that of one without a clip, median of the medians of cells. Seeds that compiled are among others that did not. */
function timeOf(used: readonly { readonly problem: Problem; readonly lines: readonly LabLine[] }[]): number {
  const ratios = used.flatMap(({ problem, lines }) => {
    const none = problem.runs.get(wayOf('none', 'none'));
    return none && none.diverged === null
      ? [{ problem, ratio: lines.reduce((sum, { seconds }) => sum + seconds, 0) / none.seconds }]
      : [];
  });
  const groups = groupedBy(ratios, ({ problem: { workload, optimizer } }) => `${workload}\n${optimizer}`);
  return median(Array.from(groups.values(), (group) => median(group.map(({ ratio }) => ratio))));
}

function cellsOf(problems: readonly Problem[], ways: readonly Way[]): CellFacts[] {
  return Array.from(
    groupedBy(problems, ({ workload, optimizer }) => `${workload}\n${optimizer}`).values(),
    (group): CellFacts => {
      const { workload, kind, optimizer } = group[0]!;
      const fact = (name: Fact): number =>
        median(group.flatMap((problem) => problem.runs.get(wayOf('none', 'none'))?.norms[name] ?? []));
      return {
        ...{ workload, kind, optimizer },
        scores: ways.map((way) => medianOf(group.map((problem) => scoreBy(problem, way)))),
        norms: { median: fact('median'), p99: fact('p99'), tail: fact('tail'), drift: fact('drift') },
        learned: median(group.map(({ best, ignorant }) => Math.min(1, (best.test ?? ignorant) / ignorant))),
      };
    },
  );
}

const medianOf = (values: readonly number[]): number => median(values.filter((value) => !Number.isNaN(value)));

function kindsOf(problems: readonly Problem[], usual: readonly Way[]): KindFacts[] {
  return Array.from(groupedBy(problems, ({ kind, optimizer }) => `${kind}\n${optimizer}`).values(), (group): KindFacts => {
    const { kind, optimizer } = group[0]!;
    const samples = samplesFor();
    const ways = usual.flatMap((way) => {
      const there = group.filter((problem) => !Number.isNaN(scoreBy(problem, way)));
      if (there.length === 0) return [];
      return [
        {
          name: way.name,
          ...meanOf(
            there,
            there.map((problem) => scoreBy(problem, way)),
            samples,
          ),
        },
      ];
    });
    const workloads = new Set(group.map(({ workload }) => workload)).size;
    return { kind, optimizer, workloads, problems: group.length, ways: ways.sort((a, b) => a.mean - b.mean) };
  });
}

function duelsOf(problems: readonly Problem[], cells: readonly CellFacts[], ways: readonly Way[], usual: readonly Way[]): Duel[] {
  const scores = new Map(usual.map((way) => [way, problems.map((problem) => scoreBy(problem, way))]));
  return usual.flatMap((a) =>
    usual.flatMap((b): Duel[] => {
      if (a === b) return [];
      const [own, other] = [scores.get(a)!, scores.get(b)!];
      const ratios = own.flatMap((score, i) => (Number.isNaN(score) || Number.isNaN(other[i]) ? [] : [score / other[i]!]));
      if (ratios.length === 0) return [];
      const share = (test: (ratio: number) => boolean): number => ratios.filter(test).length / ratios.length;
      const medians = [a, b].map((way) => cells.map((cell) => cell.scores[ways.indexOf(way)]!)) as [number[], number[]];
      const both = medians[0].flatMap((x, i) => (Number.isNaN(x) || Number.isNaN(medians[1][i]) ? [] : [i]));
      const { p } = wilcoxon(
        both.map((i) => log(medians[0][i]!)),
        both.map((i) => log(medians[1][i]!)),
      );
      const [wins, losses] = [share((r) => r < 1 / TIE), share((r) => r > TIE)];
      return [{ a: a.name, b: b.name, wins, losses, ties: 1 - wins - losses, better: share((r) => r < 1), p }];
    }),
  );
}

/** Of cells that all of the ways were tried on. */
function rankingOf(cells: readonly CellFacts[], ways: readonly Way[], of: readonly Way[]): Ranking | null {
  const costs = cells.map(({ scores }) => of.map((way) => scores[ways.indexOf(way)]!)).filter((row) => !row.some(Number.isNaN));
  if (of.length < 2 || costs.length < 2) return null;
  return { names: of.map(({ policy }) => policy), ...friedman(costs), difference: nemenyi(of.length, costs.length) };
}

function correlationsOf(cells: readonly CellFacts[], way: number): Record<Fact, number> {
  const of = (fact: Fact): number => {
    const there = cells.filter(({ scores, norms }) => !Number.isNaN(scores[way]) && !Number.isNaN(norms[fact]));
    return there.length < 3
      ? Number.NaN
      : spearman(
          there.map(({ scores }) => scores[way]!),
          there.map(({ norms }) => norms[fact]),
        );
  };
  return { median: of('median'), p99: of('p99'), tail: of('tail'), drift: of('drift') };
}

export function groupedBy<T>(all: readonly T[], key: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const name = key(one);
    const group = groups.get(name);
    if (group) group.push(one);
    else groups.set(name, [one]);
  }
  return groups;
}

/** The rows that a summary begins with: policies as they are usually set, and tuned, the best first; and what they are compared with. */
export function mainRows({ rows }: Summary): Row[] {
  return rows.filter((row) => row.usual || row.level === TUNED).sort((a, b) => a.mean - b.mean);
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** As lines of cells, the head first. */
export function summaryTable(summary: Summary): string[][] {
  const head = ['policy', 'geometric mean', '95 %', 'worst', 'within 10 %', 'work', 'time', 'diverged', 'clipped'];
  const body = mainRows(summary).map((row) => [
    row.name,
    score(row.mean),
    `${score(row.low)} to ${score(row.high)}`,
    `${score(row.worst)} (${row.worstOf})`,
    percent(row.good),
    times(row.work),
    times(row.time),
    percent(row.diverged),
    percent(row.clipped),
  ]);
  return [
    head,
    [`best of ${LADDER.length} fixed, by validation`, '1', '', '1', '100 %', String(LADDER.length), '', '', ''],
    ...body,
  ];
}

export const score = (x: number): string => (Number.isNaN(x) ? '' : x < 10 ? x.toFixed(2) : short(x));
const times = (x: number): string => (Number.isNaN(x) ? '' : x.toFixed(2));

// clip-report.ts: `gradclip clip-report RUN`: what the clip did in a recorded run, which threshold to take, and what other policies would have done.
import { resolve } from 'node:path';
import type { ClipPolicy } from '../../clip/index.ts';
import { globalNorm } from '../../clip/index.ts';
import { DataError, OptionError } from '../../errors.ts';
import { type Advice, type AdviseOptions, advise, type History, readRecord, replay } from '../../history/index.ts';
import { quantile, sorted } from '../../history/numbers.ts';
import { writeWhole } from '../../io/file/write.ts';
import { readJson } from '../../io/json-file.ts';
import { Place, show, signatures, whole } from '../../options/index.ts';
import {
  adviceLine,
  basisLines,
  DECISION_HEADING,
  decisionTable,
  layerTable,
  replayHeading,
  replayPage,
  replayTable,
  ruleTable,
  runLine,
  warningLines,
} from '../../pages/replay-page.ts';
import { short } from '../../text/format.ts';
import type { Arguments, Command } from '../args.ts';
import { usage } from '../args.ts';
import { makePolicy } from '../config/build.ts';
import { policies } from '../config/config.ts';
import { POLICIES } from '../config/rooms.ts';
import { EXIT } from '../exit.ts';
import type { IO } from '../io.ts';
import type { Screen } from '../screen.ts';

export const CLIP_REPORT: Command = {
  name: 'clip-report',
  operands: ['RUN.jsonl'],
  summary: 'Say what the clip did in a recorded run, which threshold to take, and what other policies would have done',
  more: [
    'RUN.jsonl is what `fit` and `gradclip train` write with option `record`. Policies are names with a threshold, a number or a percentile of',
    'the recorded norms: globalNorm:1,globalNorm:p95. Or a JSON file: { "mine": { "type": "globalNorm", "threshold": 1 } }, with values as',
    'in key clip of a configuration.',
  ],
  flags: {
    rate: {
      value: 'RATE',
      help: 'wanted part of the steps that are clipped, 0.05, or as a percentile of the norms, p95; default p95, of norms with a heavy tail p50',
    },
    policies: {
      value: 'A,B',
      help: 'policies to replay; default: globalNorm at p90, p95 and p99, and those that find their own threshold',
    },
    warmup: {
      value: 'N',
      help: 'first steps that the advice leaves out; default: a tenth of them, at most 100',
      takes: whole({ min: 0 }).optional(),
    },
    html: { value: 'FILE', help: 'also write a page with the curves' },
  },
};

export async function clipReport(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const file = resolve(io.cwd, args.operands[0]!);
  const rate = rateOf(args);
  const warmup = args.number('warmup');
  const history = await readRecord(file);
  const advice = adviceOn(file, history, {
    ...(rate === undefined ? {} : { rate }),
    ...(warmup === undefined ? {} : { warmup }),
  });
  const counted = { warmup: advice.warmup, until: advice.evidence.until };
  const policies = await policiesOf(args, io.cwd, { history, norms: history.norm.subarray(counted.warmup, counted.until) });
  const replayed = replay(history, policies, counted);
  const html = args.text('html');
  const page = html === undefined ? null : resolve(io.cwd, html);
  if (page !== null) await writeWhole(page, replayPage(replayed, advice));

  screen.emit({ event: 'advice', file, header: history.header, torn: history.torn, ...advice });
  for (const decision of history.decisions ?? []) screen.emit({ event: 'decision', ...decision });
  for (const { normAfter, scale, threshold, clipped, isSkipped, ...figures } of replayed.policies) {
    screen.emit({ event: 'replay', ...figures });
  }
  const heading = (text: string): void => {
    screen.say();
    screen.say(screen.paint('bold', text));
  };
  screen.say(runLine(history, advice));
  if (history.torn > 0)
    screen.say(`left out: a last line of ${history.torn} bytes that is being written, or was when the run was killed`);
  const { min, median, p90, p95, p99, max } = advice.norms;
  screen.say(
    `norms: least ${short(min)}, median ${short(median)}, p90 ${short(p90)}, p95 ${short(p95)}, p99 ${short(p99)}, largest ${short(max)}`,
  );
  heading(adviceLine(advice));
  for (const line of basisLines(advice)) screen.say(line);
  for (const line of ruleTable(advice)) screen.say(line);
  for (const [title, lines] of warningLines(advice)) {
    heading(title);
    for (const line of lines) screen.say(`- ${line}`);
  }
  if (advice.layers) {
    heading('By parameter');
    for (const line of layerTable(advice)) screen.say(line);
  }
  const decided = decisionTable(history);
  if (decided.length > 0) heading(DECISION_HEADING);
  for (const line of decided) screen.say(line);
  heading(replayHeading(advice));
  for (const line of replayTable(replayed)) screen.say(line);
  if (page === null) return EXIT.ok;
  screen.say();
  screen.say(`page: ${page}`);
  return EXIT.ok;
}

/** A record without a finite norm is unusable data here, not wrong usage. */
function adviceOn(file: string, history: History, options: AdviseOptions): Advice {
  try {
    return advise(history, options);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new DataError(`${file}: ${error.message}`, { file }, { cause: error });
  }
}

function rateOf(args: Arguments): number | undefined {
  const text = args.text('rate');
  if (text === undefined) return undefined;
  const percentile = percentileOf(text);
  const rate = percentile === null ? Number(text.trim() === '' ? Number.NaN : text) : 1 - percentile / 100;
  if (rate >= 0 && rate <= 1) return Number(rate.toPrecision(12));
  throw usage(CLIP_REPORT, `--rate: expected a part from 0 to 1, or a percentile such as p95, got ${show(text)}`);
}

/** Of `p95`, 95; null for what is none. */
function percentileOf(text: string): number | null {
  const found = /^p(\d+(?:\.\d+)?)$/.exec(text)?.[1];
  return found === undefined || Number(found) > 100 ? null : Number(found);
}

/** A run, and the norms that its percentiles are of: those that the advice looks at. */
interface Seen {
  readonly history: History;
  readonly norms: Float64Array;
}

async function policiesOf(args: Arguments, cwd: string, seen: Seen): Promise<Record<string, ClipPolicy>> {
  const text = args.text('policies');
  if (text === undefined) return usual(seen);
  if (text.endsWith('.json')) return fromFile(resolve(cwd, text));
  const entries = text.split(',').map((word): [string, ClipPolicy] => {
    const [type = '', limit] = word.split(':');
    const percentile = limit === undefined ? null : percentileOf(limit);
    const number = percentile === null ? Number(limit) : normAt(seen, percentile);
    if (limit !== undefined && (limit === '' || Number.isNaN(number))) {
      throw usage(
        CLIP_REPORT,
        `--policies: ${word}: expected a number or a percentile such as p95 after the colon, got ${show(limit)}`,
      );
    }
    return [
      word,
      makePolicy(policies.read(limit === undefined ? { type } : { type, threshold: number }, new Place('', '', '--policies'))),
    ];
  });
  return Object.fromEntries(entries);
}

function normAt({ norms }: Seen, percentile: number): number {
  return quantile(sorted(norms.filter(Number.isFinite)), percentile / 100);
}

/** By percentile, and all that need no threshold and can be replayed from this record. */
function usual(seen: Seen): Record<string, ClipPolicy> {
  // A threshold of 0 would be none.
  const fixed = [90, 95, 99].flatMap((p): [string, ClipPolicy][] => {
    const threshold = normAt(seen, p);
    return threshold > 0 ? [[`globalNorm:p${p}`, globalNorm(threshold)]] : [];
  });
  const others = UNAIDED.map((type): [string, ClipPolicy] => [type, makePolicy([{ type }])]);
  const works = ([name, policy]: [string, ClipPolicy]): boolean =>
    replay(seen.history, { [name]: policy }).policies[0]!.steps > 0;
  return Object.fromEntries([...fixed, ...others.filter(works)]);
}

async function fromFile(file: string): Promise<Record<string, ClipPolicy>> {
  const value = await readJson(file);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OptionError(`${file}: expected policies by name, got ${show(value)}`, { file });
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, clip]): [string, ClipPolicy] => [
      name,
      makePolicy(policies.read(clip, new Place('', '', name))),
    ]),
  );
}

/** Policies that find their own threshold, or have none. */
const UNAIDED: readonly string[] = Object.keys(POLICIES.functions).filter((name) => {
  return name !== 'none' && !('threshold' in signatures.get(`clip.${name}`)!.positional);
});

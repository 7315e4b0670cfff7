// options.ts: the command line of the benchmark.
import { availableParallelism } from 'node:os';
import { MAX_THREADS } from '../lib/native/threads.ts';
import { PRECISIONS, type Precision } from './ours.ts';
import { PEER_NAMES } from './peers.ts';
import type { Suite } from './suite.ts';
import { SUITES } from './suites.ts';

export const USAGE: string = `npm run -s bench -- [options]
  --suite ${Object.keys(SUITES).join('|')}   default step
  --only a,b                 cells, or parts of their names (25x1M, adamw, nt, 64x256x784, policy/6x40k)
  --threads N,M              one number or several, default: all
  --teams N,M                balance: teams of so many threads, whatever cores there are, default 4,8,16,32,64
  --peers [a,b]              also ${PEER_NAMES.join(', ')} where installed; without names the suite's usual ones
  --against DIR              also another checkout of gradclip, built (npm ci), as peer before
  --precision a,b            step, gemm: of our products: f32, bf16 or both, default f32
  --overhead                 step: also time the step without a clip; mpi: also with as many parts of a batch as a trainer cuts it into
  --awaited                  step: also time steps awaited one at a time
  --seconds S                per variant and engine, default 3
  --rounds R                 in so many alternating rounds, default 6
  --minutes M                policies: rounds for all cells within so many minutes, in place of --seconds and --rounds
  --results FILE             policies: each cell's rows are appended to it; what it has is not measured again, nor its time spent again
  --json                     one JSON object a line: facts of the machine, then a row for each cell and engine
  --html FILE                also write a page with the figures as bars
  --table                    step, policies: at last also tables in Markdown, as docs/PERFORMANCE.md and docs/POLICIES-COST.md have them
  --into FILE                with --table: write them between the marks of a page
  --from A,B                 measure nothing: the rows that runs with --json wrote to these files, for --table and --html`;

export interface Options {
  readonly suiteName: string;
  readonly suite: Suite;
  readonly cells: readonly string[];
  readonly threads: number;
  /** All that are asked for; `threads` is the first. */
  readonly threadCounts: readonly number[];
  /** Of suite balance. */
  readonly teams: readonly number[];
  /** Of our products; the first is what others are compared with first. */
  readonly precisions: readonly Precision[];
  readonly peers: readonly string[];
  /** Another checkout, to be measured beside this one. */
  readonly against: string | null;
  /** Further variants that are asked for: `overhead`, `awaited`. */
  readonly extra: ReadonlySet<string>;
  readonly seconds: number;
  readonly rounds: number;
  /** For all cells together; null: `seconds` and `rounds` say it. */
  readonly minutes: number | null;
  /** Where rows are kept. */
  readonly results: string | null;
  readonly json: boolean;
  readonly html: string | null;
  readonly table: boolean;
  /** A page that gets the tables. */
  readonly into: string | null;
  /** Files with rows of earlier runs, which are told in place of new ones. */
  readonly from: readonly string[] | null;
}

const NAMES = [
  ...['suite', 'only', 'threads', 'teams', 'precision', 'peers', 'against', 'overhead', 'awaited', 'seconds', 'rounds'],
  ...['minutes', 'results', 'json', 'html', 'table', 'into', 'from'],
];

/** `--name value` pairs; a name followed by no value is true. Throws what to tell the user. */
export function parse(argv: readonly string[]): Options {
  const given = new Map<string, string>();
  for (let i = 0; i < argv.length; i++) {
    const name = argv[i]!;
    if (!name.startsWith('--') || !NAMES.includes(name.slice(2))) throw new Error(`unknown option ${name}`);
    const value = argv[i + 1];
    given.set(name.slice(2), value === undefined || value.startsWith('--') ? '' : argv[++i]!);
  }
  const positive = (name: string, otherwise: number): number => {
    const value = Number(given.get(name) ?? otherwise);
    if (!(value > 0)) throw new Error(`--${name}: expected a positive number, got ${given.get(name)}`);
    return value;
  };
  const suiteName = given.get('suite') ?? 'step';
  const suite = Object.hasOwn(SUITES, suiteName) ? SUITES[suiteName] : undefined;
  if (!suite) throw new Error(`--suite: expected ${Object.keys(SUITES).join(', ')}, got ${suiteName}`);
  const only = given.get('only')?.split(',');
  const cells = suite.cells.filter((cell) => !only || only.some((part) => `/${cell}/`.includes(`/${part}/`)));
  if (cells.length === 0)
    throw new Error(`--only: expected parts of ${suite.cells.slice(0, 6).join(', ')} and so on, got ${given.get('only')}`);
  const named = given.get('peers');
  const peers = named === undefined ? [] : named === '' ? suite.peers : named.split(',');
  const asked = given.get('precision')?.split(',') ?? ['f32'];
  const precisions = PRECISIONS.filter((name) => asked.includes(name));
  if (asked.some((name) => !(PRECISIONS as readonly string[]).includes(name)))
    throw new Error(`--precision: expected some of ${PRECISIONS.join(', ')}, got ${given.get('precision')}`);
  const unable = precisions.find((name) => !(suite.precisions ?? ['f32']).includes(name));
  if (unable) throw new Error(`--precision: suite ${suiteName} has no products in ${unable}`);
  const stranger = peers.find((peer) => !PEER_NAMES.includes(peer));
  if (stranger) throw new Error(`--peers: expected some of ${PEER_NAMES.join(', ')}, got ${stranger}`);
  if (given.get('against') === '') throw new Error('--against: expected the folder of a checkout');
  if (given.has('table') && !suite.tables) throw new Error(`--table: suite ${suiteName} has no tables`);
  for (const name of ['minutes', 'results'])
    if (given.has(name) && !suite.weight) throw new Error(`--${name}: suite ${suiteName} does without`);
  for (const name of ['results', 'into']) if (given.get(name) === '') throw new Error(`--${name}: expected the name of a file`);
  if (given.has('into') && !given.has('table')) throw new Error('--into: it is for --table');
  for (const name of ['seconds', 'rounds'])
    if (given.has('minutes') && given.has(name)) throw new Error(`--${name}: --minutes says how long`);
  if (given.get('from') === '') throw new Error('--from: expected names of files');
  if (given.get('html') === '') throw new Error('--html: expected the name of a file');
  const counts = (name: string, otherwise: string): number[] => {
    const found = (given.get(name) ?? otherwise).split(',').map(Number);
    if (found.every((n) => Number.isInteger(n) && n >= 1 && n <= MAX_THREADS)) return found;
    throw new Error(`--${name}: expected whole numbers from 1 to ${MAX_THREADS}, got ${given.get(name)}`);
  };
  const threadCounts = counts('threads', String(availableParallelism()));
  for (const name of suite.alone
    ? ['threads', 'precision', 'peers', 'against', 'overhead', 'awaited', 'seconds', 'rounds', 'html', 'table', 'from']
    : ['teams'])
    if (given.has(name)) throw new Error(`--${name}: suite ${suiteName} does without`);
  return {
    suiteName,
    suite,
    cells,
    threads: threadCounts[0]!,
    threadCounts,
    teams: counts('teams', '4,8,16,32,64'),
    precisions,
    peers,
    against: given.get('against') ?? null,
    extra: new Set(['overhead', 'awaited'].filter((name) => given.has(name))),
    seconds: positive('seconds', 3),
    rounds: Math.ceil(positive('rounds', 6)),
    minutes: given.has('minutes') ? positive('minutes', 60) : null,
    results: given.get('results') ?? null,
    json: given.has('json'),
    html: given.get('html') ?? null,
    table: given.has('table'),
    into: given.get('into') ?? null,
    from: given.get('from')?.split(',') ?? null,
  };
}

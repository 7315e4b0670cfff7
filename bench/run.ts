// run.ts: the benchmark. Every engine has its own process per cell; rounds of the engines alternate; figures are medians.
//   npm run -s bench -- --suite step --only mlp-small,char-rnn --threads 2 --peers
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Engine, type Launch } from './engine.ts';
import { findPeers, PEER_NAMES } from './peers.ts';
import { humanLine, ratio, type Sample, short } from './report.ts';
import { type Rounds, SUITES, type Suite } from './suites.ts';

const USAGE = `npm run -s bench -- [options]
  --suite step|clip-step|gemm   default step
  --only a,b                    cells, or parts of their names (25x1M, adamw, nt, 64x256x784)
  --threads N                   default: all
  --peers [a,b]                 also ${PEER_NAMES.join(', ')} where installed; without names the suite's usual ones
  --overhead                    step: also time the step without a clip
  --seconds S                   per variant and engine, default 3
  --rounds R                    in so many alternating rounds, default 6
  --json                        one JSON object a line`;

const tell = (text: string): void => {
  process.stderr.write(`bench: ${text}\n`);
};

interface Options {
  readonly suiteName: string;
  readonly suite: Suite;
  readonly cells: readonly string[];
  readonly threads: number;
  readonly peers: readonly string[];
  readonly overhead: boolean;
  readonly seconds: number;
  readonly rounds: number;
  readonly json: boolean;
}

/** `--name value` pairs; a name followed by no value is true. Throws what to tell the user. */
function parse(argv: readonly string[]): Options {
  const given = new Map<string, string>();
  for (let i = 0; i < argv.length; i++) {
    const name = argv[i]!;
    if (!/^--(suite|only|threads|peers|overhead|seconds|rounds|json)$/.test(name)) throw new Error(`unknown option ${name}`);
    const value = argv[i + 1];
    given.set(name.slice(2), value === undefined || value.startsWith('--') ? '' : argv[++i]!);
  }
  const positive = (name: string, otherwise: number): number => {
    const value = Number(given.get(name) ?? otherwise);
    if (!(value > 0)) throw new Error(`--${name}: expected a positive number, got ${given.get(name)}`);
    return value;
  };
  const suiteName = given.get('suite') ?? 'step';
  const suite = SUITES[suiteName];
  if (!suite) throw new Error(`--suite: expected ${Object.keys(SUITES).join(', ')}, got ${suiteName}`);
  const only = given.get('only')?.split(',');
  const wanted = (cell: string): boolean => !only || only.some((part) => part === cell || cell.split('/').includes(part));
  const cells = suite.cells.filter(wanted);
  if (cells.length === 0)
    throw new Error(`--only: expected parts of ${suite.cells.slice(0, 6).join(', ')} and so on, got ${given.get('only')}`);
  const named = given.get('peers');
  const peers = named === undefined ? [] : named === '' ? suite.peers : named.split(',');
  const stranger = peers.find((peer) => !PEER_NAMES.includes(peer));
  if (stranger) throw new Error(`--peers: expected some of ${PEER_NAMES.join(', ')}, got ${stranger}`);
  return {
    suiteName,
    suite,
    cells,
    threads: positive('threads', availableParallelism()),
    peers,
    overhead: given.has('overhead'),
    seconds: positive('seconds', 3),
    rounds: Math.ceil(positive('rounds', 6)),
    json: given.has('json'),
  };
}

/** Rounds of all engines in turn; the order turns around each time, so that none always comes after the same one. */
async function alternate(engines: readonly Engine[], options: Options): Promise<Map<Engine, Rounds>> {
  const results = new Map<Engine, Map<string, Sample[]>>();
  for (let round = 0; round < options.rounds; round++) {
    for (const engine of round % 2 ? engines.toReversed() : engines) {
      const rounds = results.get(engine) ?? results.set(engine, new Map()).get(engine)!;
      for (const variant of options.suite.variants(engine.info, options.overhead)) {
        const samples = rounds.get(variant) ?? rounds.set(variant, []).get(variant)!;
        samples.push(await engine.run(variant, options.seconds / options.rounds));
      }
    }
  }
  return results;
}

async function measureCell(cell: string, launches: readonly Launch[], options: Options): Promise<boolean> {
  const { suite, suiteName, threads } = options;
  const engines: Engine[] = [];
  let good = true;
  for (const launch of launches) {
    const engine = await Engine.open(launch, suiteName, cell, threads);
    const fault = engine instanceof Engine ? await suite.check?.(cell, engine.info) : engine;
    if (!fault) engines.push(engine as Engine);
    else {
      tell(`${launch.peer}: ${cell}: ${fault}`);
      if (engine instanceof Engine) engine.close();
      good &&= launch !== launches[0];
    }
  }
  const results = await alternate(engines, options);
  const main = (engine: Engine): readonly Sample[] => results.get(engine)!.get(suite.main(engine.info.variants))!;
  const ours = engines.find((engine) => engine.peer === 'gradclip');
  for (const engine of engines) {
    engine.close();
    const row = { peer: engine.peer, suite: suiteName, threads, ...suite.row(cell, engine.info, results.get(engine)!) };
    const compared = ours && engine !== ours ? { ...row, ratio: short(ratio(main(engine), main(ours))) } : row;
    console.log(options.json ? JSON.stringify(compared) : humanLine(compared));
  }
  return good;
}

async function main(): Promise<void> {
  let options: Options;
  try {
    options = parse(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n\n${USAGE}\n`);
    process.exitCode = 2;
    return;
  }
  const ours: Launch = {
    peer: 'gradclip',
    command: process.execPath,
    args: [fileURLToPath(new URL('./engines/gradclip.js', import.meta.url))],
  };
  const launches = [ours, ...findPeers(options.peers, tell)];
  for (const cell of options.cells) {
    if (!(await measureCell(cell, launches, options))) process.exitCode = 1;
  }
}

await main();

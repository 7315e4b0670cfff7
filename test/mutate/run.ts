// run.ts: `npm run -s mutate [-- --only TEXT]`: puts one mutant after the other into a copy of the checkout, and sees that a test fails. Whatever is here
// stays as it is; the copy is kept in build-mutate/, where the next run goes on from what is compiled.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { changed } from './change.ts';
import { copyCheckout } from './copy.ts';
import type { Mutant } from './mutant.ts';
import { MUTANTS } from './mutants/index.ts';

// A mutant may hang, as where a thread is not woken: that is seen, too.
const LIMIT_MS = 120_000;

const { only = '' } = parseArgs({ options: { only: { type: 'string' } } }).values;
const root = fileURLToPath(new URL('../../../', import.meta.url));
const copy = join(root, 'build-mutate');
const told = mkdtempSync(join(tmpdir(), 'gradclip-mutate-'));
const report = join(told, 'report.json');

const chosen = MUTANTS.filter((m) => [m.what, m.file, m.before, m.after, ...m.tests].some((text) => text?.includes(only)));
if (chosen.length === 0) throw new Error(`no mutant has the text ${only}`);
const isNative = ({ file }: Mutant): boolean => file.startsWith('binding/');
const native = chosen.some(isNative);

let running: ChildProcess | null = null;
/** With all that it has started. */
function end(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {} // it has ended by itself
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (running) end(running);
    rmSync(told, { recursive: true, force: true });
    process.exit(130);
  });
}

interface Ended {
  readonly code: number | null;
  readonly text: string;
  readonly late: boolean;
}
/** How a program ends in the copy. It is ended after `limit` ms. */
async function run(args: readonly string[], limit?: number): Promise<Ended> {
  const env = { ...process.env, NO_COLOR: '1', ...(!native && { GRADCLIP_PREBUILD: root }) };
  const child = spawn(process.execPath, args, { cwd: copy, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  running = child;
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  let late = false;
  const stop = (): void => {
    late = true;
    end(child);
  };
  const timer = limit === undefined ? undefined : setTimeout(stop, limit);
  const code = await new Promise<number | null>((done) => child.on('close', done));
  clearTimeout(timer);
  running = null;
  return { code, text, late };
}

async function build(): Promise<void> {
  const { code, text } = await run(['scripts/build-native.mjs']);
  if (code !== 0) throw new Error(`it does not compile:\n${text.slice(-2000)}`);
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}
interface How {
  /** Build dist/ first. */
  readonly setUp?: boolean;
  readonly limit?: number;
}

/**
 * The first test that fails, or what else tells that something is wrong; null: nothing does.
 * @param named texts of which the names of tests have one; none: all tests
 * @throws Error where the tests do not come to run
 */
async function failing(
  files: readonly string[],
  named: readonly string[],
  { setUp = false, limit }: How,
): Promise<string | null> {
  rmSync(report, { force: true });
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    ...new Set(files),
    '--bail=1',
    '--reporter=json',
    `--outputFile=${report}`,
  ];
  if (!setUp) args.push('--config', 'test/mutate/vitest.config.ts');
  if (named.length > 0) args.push('-t', named.map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|'));
  const { code, text, late } = await run(args, limit);
  if (late) return `no end within ${limit! / 1000} s`;
  const why = (what: string): Error => new Error(`${what}:\n${text.slice(-2000)}`);
  let results: Report['testResults'];
  try {
    results = (JSON.parse(readFileSync(report, 'utf8')) as Report).testResults;
  } catch {
    throw why('vitest had nothing to report');
  }
  const of = (status: string): string[] =>
    results.flatMap(({ name, assertionResults }) =>
      assertionResults.filter((t) => t.status === status).map((t) => `${relative(copy, name)} > ${t.fullName}`),
    );
  const [first] = of('failed');
  if (first !== undefined) return first;
  const unread = results.find(({ assertionResults, message }) => assertionResults.length === 0 && message !== '');
  if (unread) throw why(`${relative(copy, unread.name)} does not load: ${unread.message}`);
  if (code === 0 && of('passed').length === 0) throw why('no test was run');
  return code === 0 ? null : 'the end of the process';
}

const testsOf = (mutants: readonly Mutant[]): [files: string[], named: string[]] => [
  mutants.flatMap(({ tests }) => tests[0].split(' ')),
  mutants.flatMap(({ tests }) => tests[1] ?? []),
];
const seconds = (from: number): string => ((performance.now() - from) / 1000).toFixed(1);
const begin = performance.now();
let alive = 0;
try {
  copyCheckout(root, copy);
  if (native) await build();
  for (const count of [1, 2]) {
    const mutants = chosen.filter(({ tests }) => tests.length === count);
    const wrong = mutants.length === 0 ? null : await failing(...testsOf(mutants), { setUp: true });
    if (wrong !== null) throw new Error(`without any mutant, a test fails: ${wrong}`);
  }
  console.log(`${chosen.length} mutants; without any, their tests pass: ${seconds(begin)} s`);
  // Those that are compiled come last: the others need not wait for them.
  for (const mutant of [...chosen.filter((m) => !isNative(m)), ...chosen.filter(isNative)]) {
    const from = performance.now();
    const path = join(copy, mutant.file);
    const text = readFileSync(path, 'utf8');
    let outcome = 'SURVIVED';
    try {
      writeFileSync(path, changed(mutant, text));
      if (isNative(mutant)) await build();
      const by = await failing(...testsOf([mutant]), { limit: LIMIT_MS });
      if (by === null) alive++;
      else outcome = `killed by ${by}`;
    } catch (error) {
      alive++;
      outcome = `NOT TRIED: ${(error as Error).message}`;
    } finally {
      writeFileSync(path, text);
    }
    console.log(`${seconds(from).padStart(6)} s  ${mutant.file}: ${mutant.what}: ${outcome}`);
  }
} finally {
  rmSync(told, { recursive: true, force: true });
}
console.log(`${chosen.length} mutants, ${chosen.length - alive} killed, ${alive} not, in ${seconds(begin)} s`);
process.exitCode = alive > 0 ? 1 : 0;

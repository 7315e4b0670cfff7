// cli.ts: from the arguments to a command, and from what it did to an exit code.
import { GradclipError } from '../errors.ts';
import { version } from '../native/package.ts';
import { nearest, show } from '../options/index.ts';
import { type Arguments, type Command, helpOf, parseCommand, usage } from './args.ts';
import { BENCH, bench } from './bench/bench.ts';
import { BUILD, buildAddon } from './commands/build-addon.ts';
import { CLIP_REPORT, clipReport } from './commands/clip-report.ts';
import { EVALUATE, evaluate } from './commands/evaluate.ts';
import { EXPORT, exportModel } from './commands/export.ts';
import { INIT, init } from './commands/init.ts';
import { INSPECT, inspect } from './commands/inspect.ts';
import { PRECISION, precision } from './commands/precision.ts';
import { PREDICT, predict } from './commands/predict.ts';
import { REPORT, report } from './commands/report.ts';
import { SAMPLE, sample } from './commands/sample.ts';
import { TRAIN, train } from './commands/train.ts';
import { TUNE, tune } from './commands/tune.ts';
import { DEMO, demo } from './demo/demo.ts';
import { EXIT_CODES, exitCodeOf, exitCodeOfStop } from './exit.ts';
import type { IO, StopCause } from './io.ts';
import { LAB, lab } from './lab/lab.ts';
import { Screen } from './screen.ts';
import { WATCH, watch } from './watch/watch.ts';

type Action = (args: Arguments, io: IO, screen: Screen) => Promise<number>;

const COMMANDS: readonly (readonly [Command, Action])[] = [
  [DEMO, demo],
  [INIT, init],
  [TRAIN, train],
  [TUNE, tune],
  [EVALUATE, evaluate],
  [PREDICT, predict],
  [SAMPLE, sample],
  [EXPORT, exportModel],
  [REPORT, report],
  [WATCH, watch],
  [CLIP_REPORT, clipReport],
  [PRECISION, precision],
  [LAB, lab],
  [BENCH, bench],
  [INSPECT, inspect],
  [BUILD, buildAddon],
];

/** Run one command. @returns the exit code; nothing is thrown */
export async function main(argv: readonly string[], io: IO): Promise<number> {
  const json = argv.includes('--json');
  const screen = new Screen(io, json);
  try {
    const [name, ...rest] = argv;
    if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
      for (const line of overview()) io.stdout.write(`${line}\n`);
      return 0;
    }
    if (name === '--version' || name === '-v') {
      io.stdout.write(`${version()}\n`);
      return 0;
    }
    const [command, action] = find(name);
    const args = parseCommand(command, rest);
    if (args.has('help')) {
      for (const line of helpOf(command)) io.stdout.write(`${line}\n`);
      return 0;
    }
    return await action(args, io, screen);
  } catch (error) {
    screen.redraw([]);
    if (io.signal.aborted && (error as Error).name === 'AbortError') return exitCodeOfStop(io.signal.reason as StopCause);
    tellError(error, screen);
    return exitCodeOf(error);
  }
}

function find(name: string): readonly [Command, Action] {
  const found = COMMANDS.find(([command]) => command.name === name);
  if (found) return found;
  const names = COMMANDS.map(([command]) => command.name);
  const what = name.startsWith('-') ? 'option' : 'command';
  const near = nearest(name.replace(/^-+/, ''), what === 'command' ? names : ['help', 'version']);
  const hint =
    near === undefined ? `; commands: ${names.join(', ')}` : `; did you mean ${what === 'command' ? '' : '--'}${near}?`;
  throw usage(null, `unknown ${what} ${show(name)}${hint}`);
}

function tellError(error: unknown, screen: Screen): void {
  const known = error instanceof GradclipError;
  const text = error instanceof Error ? error.message : String(error);
  // Of several processes one speaks, until another fails.
  const who = screen.unmute();
  const message = who === null ? text : `${who}: ${text}`;
  // Ours may have several lines.
  const [first, ...more] = known ? message.split('\n') : [message];
  screen.emit({ event: 'error', code: known ? error.code : 'ERR_INTERNAL', message });
  screen.note(`${screen.paintLive(['red', 'bold'], 'error:')} ${first}`);
  for (const line of more) screen.note(line);
  // What nobody foresaw is a bug of ours, and the way to it helps to mend it.
  if (known || !(error instanceof Error)) return;
  for (const line of error.stack?.split('\n').slice(1) ?? []) screen.note(line);
}

function overview(): string[] {
  const wide = Math.max(...COMMANDS.map(([{ name, operands }]) => [name, ...operands].join(' ').length));
  return [
    `gradclip ${version()}: train neural networks on the CPU, with gradient clipping fused into the optimizer step`,
    '',
    'Usage: gradclip COMMAND [options]',
    '',
    'Commands:',
    ...COMMANDS.map(([{ name, operands, summary }]) => `  ${[name, ...operands].join(' ').padEnd(wide)}  ${summary}`),
    '',
    'gradclip COMMAND --help lists the options of a command. All take --json.',
    '',
    'Exit codes:',
    ...EXIT_CODES.map((line) => `  ${line}`),
  ];
}

// args.ts: the command line: what each command takes, its help, and errors that name the nearest known word.
import { parseArgs } from 'node:util';
import { OptionError } from '../errors.ts';
import { type Giving, nearest, Place, show } from '../options/index.ts';

export interface Flag {
  /** What its value is called in the help; absent: it takes none. */
  readonly value?: string;
  readonly help: string;
  /** What its value may be, and its default, which the help tells too; absent: any text. */
  readonly takes?: Giving<unknown, false>;
}

export interface Command {
  readonly name: string;
  /** Words after the name, as they stand in the help; one in brackets, the last, may be left out. */
  readonly operands: readonly string[];
  readonly summary: string;
  /** Further lines of its help. */
  readonly more?: readonly string[];
  readonly flags: Readonly<Record<string, Flag>>;
}

/** Every command takes these. */
const COMMON: Readonly<Record<string, Flag>> = {
  json: { help: 'print results as JSON lines on stdout, and everything else on stderr' },
  help: { help: 'print this help' },
};

export class Arguments {
  readonly command: Command;
  readonly operands: readonly string[];
  readonly #values: ReadonlyMap<string, string | true>;

  constructor(command: Command, operands: readonly string[], values: ReadonlyMap<string, string | true>) {
    this.command = command;
    this.operands = operands;
    this.#values = values;
  }

  has(flag: string): boolean {
    return this.#values.has(flag);
  }

  text(flag: string): string | undefined {
    const value = this.#values.get(flag);
    return typeof value === 'string' ? value : undefined;
  }

  /** The number that a flag takes, as it declares it, or its default; undefined where it has none. */
  number(name: string): number | undefined {
    const takes = this.command.flags[name]!.takes!;
    const text = this.text(name);
    if (text === undefined) return takes.read(undefined, FLAG) as number | undefined;
    const value = /^\s*$/.test(text) ? Number.NaN : Number(text);
    try {
      return takes.read(value, FLAG) as number;
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      throw usage(this.command, `--${name}: expected ${takes.expected}, got ${show(text)}`);
    }
  }

  /** What a flag says that takes one of a few words, or its default; undefined where it has none. */
  choice<T extends string | undefined>(name: string): T {
    const takes = this.command.flags[name]!.takes!;
    try {
      return takes.read(this.text(name), new Place('', '', `--${name}`)) as T;
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      throw usage(this.command, error.message);
    }
  }
}

/** Errors are made anew, with the text as it was given. */
const FLAG = new Place('', '', '');

/** The arguments of one command. @throws OptionError naming the nearest known flag */
export function parseCommand(command: Command, argv: readonly string[]): Arguments {
  const flags = { ...command.flags, ...COMMON };
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, { type: flag.value === undefined ? 'boolean' : 'string' } as const]),
  );
  options.help = { type: 'boolean', short: 'h' } as (typeof options)[string];
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const values = new Map<string, string | true>();
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name]! : undefined;
    if (!flag) throw usage(command, `unknown option ${token.rawName}${didYouMean(token.rawName, command)}`);
    if (flag.value === undefined) {
      if (token.value !== undefined) throw usage(command, `--${token.name} takes no value, got ${show(token.value)}`);
      values.set(token.name, true);
    } else {
      const missing = token.value === undefined || (!token.inlineValue && token.value.startsWith('--'));
      if (missing) throw usage(command, `--${token.name}: expected ${flag.value} after it`);
      values.set(token.name, token.value);
    }
  }
  // Help is wanted whatever else is wrong with the operands.
  if (!values.has('help')) checkOperands(command, operands);
  return new Arguments(command, operands, values);
}

export function usage(command: Command | null, message: string): OptionError {
  const where = command ? `gradclip ${command.name}` : 'gradclip';
  return new OptionError(`${where}: ${message} (${where} --help lists what there is)`, { command: command?.name ?? null });
}

export function helpOf(command: Command): string[] {
  const flags = Object.entries({ ...command.flags, ...COMMON });
  const names = flags.map(([name, { value }]) => `--${name}${value === undefined ? '' : ` ${value}`}`);
  const wide = Math.max(...names.map((name) => name.length));
  return [
    `Usage: gradclip ${[command.name, ...command.operands, '[options]'].join(' ')}`,
    '',
    `${command.summary}.`,
    ...(command.more ?? []),
    '',
    'Options:',
    ...flags.map(([, flag], i) => `  ${names[i]!.padEnd(wide)}  ${helpOfFlag(flag)}`),
  ];
}

function helpOfFlag({ help, takes }: Flag): string {
  if (!takes) return help;
  const { fallback } = takes;
  return `${help} (${takes.expected}${fallback === undefined ? '' : `; default ${fallback}`})`;
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const missing = command.operands[operands.length];
  if (missing !== undefined && !missing.startsWith('[')) throw usage(command, `expected ${missing}`);
  const surplus = operands[command.operands.length];
  if (surplus !== undefined) throw usage(command, `unexpected argument ${show(surplus)}`);
}

function didYouMean(rawName: string, command: Command): string {
  const near = nearest(rawName.replace(/^-+/, ''), [...Object.keys(command.flags), ...Object.keys(COMMON)]);
  return near === undefined ? '' : `; did you mean --${near}?`;
}

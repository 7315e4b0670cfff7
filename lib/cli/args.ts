// args.ts: the command line: what each command takes, its help, and errors that name the nearest known word.
import { parseArgs } from 'node:util';
import { OptionError } from '../errors.ts';
import { nearest, show } from '../options.ts';

export interface Flag {
  /** What its value is called in the help; absent: it takes none. */
  readonly value?: string;
  readonly help: string;
}

export interface Command {
  readonly name: string;
  /** Words after the name, as they stand in the help. */
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

  /** A whole number within bounds, or undefined where the flag is not given. */
  whole(flag: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number | undefined {
    const text = this.text(flag);
    if (text === undefined) return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    const bounds = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw usage(this.command, `--${flag}: expected a whole number ${bounds}, got ${show(text)}`);
  }

  /** A number above 0, or undefined where the flag is not given. */
  positive(flag: string): number | undefined {
    return this.#number(flag, 'a number above 0', (value) => value > 0);
  }

  /** A number of 0 or more, or undefined where the flag is not given. */
  notNegative(flag: string): number | undefined {
    return this.#number(flag, 'a number of at least 0', (value) => value >= 0);
  }

  #number(flag: string, expected: string, fits: (value: number) => boolean): number | undefined {
    const text = this.text(flag);
    if (text === undefined) return undefined;
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (fits(value) && Number.isFinite(value)) return value;
    throw usage(this.command, `--${flag}: expected ${expected}, got ${show(text)}`);
  }
}

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
    ...flags.map(([, { help }], i) => `  ${names[i]!.padEnd(wide)}  ${help}`),
  ];
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const missing = command.operands[operands.length];
  if (missing !== undefined) throw usage(command, `expected ${missing}`);
  const surplus = operands[command.operands.length];
  if (surplus !== undefined) throw usage(command, `unexpected argument ${show(surplus)}`);
}

function didYouMean(rawName: string, command: Command): string {
  const near = nearest(rawName.replace(/^-+/, ''), [...Object.keys(command.flags), ...Object.keys(COMMON)]);
  return near === undefined ? '' : `; did you mean --${near}?`;
}

// init.ts: `gradclip init TABLE.csv`: asks five questions about a table, and writes a configuration that trains.
import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { OptionError } from '../../errors.ts';
import { writeWhole } from '../../io/file/write.ts';
import { show } from '../../options/index.ts';
import { count } from '../../text/format.ts';
import { Answers } from '../answers.ts';
import type { Arguments, Command } from '../args.ts';
import { checkConfig } from '../config/config.ts';
import {
  checkLabel,
  columnLines,
  columnNamed,
  type FoundTable,
  findColumns,
  lastOf,
  rowsOf,
  stem,
  suggest,
  type Wanted,
  wanted,
} from '../config/suggest.ts';
import { EXIT } from '../exit.ts';
import type { IO } from '../io.ts';
import type { Screen } from '../screen.ts';

export const INIT: Command = {
  name: 'init',
  operands: ['TABLE.csv'],
  summary: 'Ask five questions about a table, and write a configuration that trains',
  more: [
    'TABLE.csv has the names of its columns in the first line. An empty answer takes what stands in brackets. Answers may be piped in, a line each; where',
    'there are none left, what stands in brackets is the answer.',
  ],
  flags: {
    yes: { help: 'ask nothing: take what would stand in brackets' },
    label: { value: 'COLUMN', help: 'the column to predict, which is suggested; default: the last one' },
    out: { value: 'FILE', help: 'the configuration, which is suggested; default: beside the table, with its name' },
  },
};

export async function init(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const file = resolve(io.cwd, args.operands[0]!);
  const found = await findColumns(file);
  screen.say(`${file}: ${count(found.rows)} rows`);
  for (const line of columnLines(found)) screen.say(line);
  if (!args.has('yes')) screen.say();
  const answers = new Answers(io, screen, args.has('yes'));
  try {
    const asked = await askWanted(args, answers, found);
    const suggested = args.text('out') ?? join(relative(io.cwd, dirname(file)), `${stem(file)}.json`);
    const out = await answers.ask('5. Where is the configuration written?', suggested, (answer) => {
      const path = resolve(io.cwd, answer);
      if (existsSync(path)) throw new OptionError(`init: ${path} is there already; --out names another file`, { file: path });
      return path;
    });
    const config = suggest(found, asked, out);
    checkConfig(config);
    await writeWhole(out, `${JSON.stringify(config, null, 2)}\n`);
    screen.emit({ event: 'configuration', file: out, table: file, rows: found.rows, columns: found.columns, config });
    screen.say();
    screen.say(`configuration: ${out}`);
    screen.say(`next: gradclip train ${relative(io.cwd, out)}`);
    return EXIT.ok;
  } finally {
    await answers.end();
  }
}

/** The first four questions. */
async function askWanted(args: Arguments, answers: Answers, found: FoundTable): Promise<Wanted> {
  const named = (name: string) => within(() => columnNamed(found, name));
  const label = await answers.ask('1. Which column is to be predicted?', args.text('label') ?? lastOf(found), named);
  checkLabel(found, label);
  const usual = wanted(found, label.name);
  const isClass = await answers.ask('2. Is it a class or a number?', usual.isClass ? 'class' : 'number', (answer) => {
    if (answer !== 'class' && answer !== 'number') throw new OptionError(`init: expected class or number, got ${show(answer)}`);
    if (answer === 'number' && label.type !== 'number') {
      throw new OptionError(`init: column ${label.name} has texts, which are no numbers`, { column: label.name });
    }
    return answer === 'class';
  });
  const without = await answers.ask('3. Which columns are left out?', usual.without.join(', ') || NONE, (answer) => {
    const left = answer === NONE ? [] : answer.split(',').map((name) => named(name.trim()).name);
    if (left.includes(label.name)) throw new OptionError('init: the column to be predicted cannot be left out');
    if (new Set(left).size + 1 >= found.columns.length)
      throw new OptionError('init: expected a column that is left beside the label');
    const still = found.columns.find(({ name, type }) => type === 'ignore' && !left.includes(name) && name !== label.name);
    if (still) throw new OptionError(`init: column ${still.name} cannot be read: ${still.why}`, { column: still.name });
    return left;
  });
  const which = '4. Which part of the rows is for the test, and as large a part for validation?';
  const part = await answers.ask(which, String(usual.part), (answer) => {
    const number = Number(answer);
    if (number > 0 && number < 0.5 && rowsOf(found, number) > 0) return number;
    if (number > 0 && number < 0.5) throw new OptionError(`init: ${show(answer)} of ${count(found.rows)} rows is none`);
    throw new OptionError(`init: expected a part above 0 and below 0.5, got ${show(answer)}`);
  });
  return { label, isClass, without, part };
}

/** The answer for no column. */
const NONE = 'none';

/** Errors begin with the name of the command. */
function within<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new OptionError(`init: ${error.message}`, error.details, { cause: error });
  }
}

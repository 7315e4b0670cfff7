// report.ts: `gradclip report RUN`: what a recorded run came to, in figures and as a page.
import { resolve } from 'node:path';
import { readRecord } from '../../history/index.ts';
import { digestOf } from '../../history/run/digest.ts';
import { writeWhole } from '../../io/file/write.ts';
import { warningLines } from '../../pages/replay-page.ts';
import { aboutOf, adviceOn, drawRun } from '../../pages/run/page.ts';
import { figuresOf, runText } from '../../pages/run/parts.ts';
import { table } from '../../text/format.ts';
import type { Arguments, Command } from '../args.ts';
import { EXIT } from '../exit.ts';
import type { IO } from '../io.ts';
import { checkOutput } from '../output.ts';
import type { Screen } from '../screen.ts';

export const REPORT: Command = {
  name: 'report',
  operands: ['RUN.jsonl'],
  summary: 'Say what a recorded run came to, and write its page',
  more: [
    'RUN.jsonl is what `fit` and `gradclip train` write with option `record`. The page has curves of loss, validation, learning rate and norms, where the',
    'clip was active, what guards found, and settings; of a record with perLayer the norm of each parameter, with clock the speed.',
  ],
  flags: {
    html: { value: 'FILE', help: 'write the page here' },
    title: { value: 'TEXT', help: 'over the page; default: the name of the record' },
  },
};

export async function report(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const operand = args.operands[0]!;
  const file = resolve(io.cwd, operand);
  const html = args.has('html') ? resolve(io.cwd, args.text('html')!) : null;
  if (html !== null) await checkOutput('--html', html);
  const history = await readRecord(file);
  const digest = digestOf(history);
  const advice = adviceOn(history);
  if (html !== null) {
    const asked = { title: args.text('title') ?? operand, facts: {}, configuration: undefined };
    await writeWhole(html, drawRun(digest, aboutOf(asked, null, advice)));
  }
  const { length: steps, skipped, clipped, badLosses, validated, ended: epochs, found, hasClock, ms, heat } = digest;
  screen.emit({
    ...{ event: 'report', file, torn: history.torn, steps, skipped, clipped, lossNotFinite: badLosses, epochs },
    ...{ validations: validated, validation: digest.validations.at(-1)?.metrics ?? null, guards: found },
    ...{ seconds: hasClock ? ms / 1000 : null, perLayer: heat !== null, html },
  });
  screen.say(runText(digest));
  if (history.torn > 0)
    screen.say(`left out: a last line of ${history.torn} bytes that is being written, or was when the run was killed`);
  for (const line of table(
    figuresOf(digest).map(([name, value]) => [name, value]),
    ['left', 'left'],
  ))
    screen.say(line);
  for (const [title, lines] of advice ? warningLines(advice) : []) {
    screen.say();
    screen.say(screen.paint('bold', title));
    for (const line of lines) screen.say(`- ${line}`);
  }
  if (html === null) return EXIT.ok;
  screen.say();
  screen.say(`page: ${html}`);
  return EXIT.ok;
}

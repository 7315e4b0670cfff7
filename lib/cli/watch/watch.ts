// watch.ts: `gradclip watch RUN.jsonl`: the page of a run in a browser, which grows with its record.
import { basename, resolve } from 'node:path';
import { whole } from '../../options/index.ts';
import { count } from '../../text/format.ts';
import type { Arguments, Command } from '../args.ts';
import { exitCodeOfStop } from '../exit.ts';
import type { IO, StopCause } from '../io.ts';
import type { Screen } from '../screen.ts';
import { checkFolder, Following } from './follow.ts';
import { LivePage } from './live.ts';
import { Serving } from './serve.ts';

/** The port where nothing else is asked for. */
const PORT = 7077;

export const WATCH: Command = {
  name: 'watch',
  operands: ['RUN.jsonl'],
  summary: 'Show the page of a run in a browser on this machine, while its record grows',
  more: [
    'RUN.jsonl is what `fit` and `gradclip train` write with option `record`; it need not be there yet. The page is at 127.0.0.1 alone. SIGINT and',
    'SIGTERM end the command, and leave the run as it is. `gradclip report` writes the page to a file.',
  ],
  flags: {
    port: {
      value: 'N',
      help: `of the page; 0: one that is free; default ${PORT}, or one that is free where another program has that`,
      takes: whole({ min: 0, max: 65_535 }).optional(),
    },
    every: {
      value: 'MS',
      help: 'milliseconds between two looks at the file',
      takes: whole({ min: 20, max: 60_000 }).default(500),
    },
  },
};

export async function watch(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const file = resolve(io.cwd, args.operands[0]!);
  const [port, every] = [args.number('port'), args.number('every')!];
  await checkFolder(file);
  const following = new Following(file);
  // What is no record is said before there is a page of it.
  let looked = await following.look();
  const page = new LivePage({ title: basename(file), facts: [], machine: null, advice: null });
  page.draw(following.digest);
  const serving = new Serving(page, stateOf(following));
  const url = await serving.listen(port ?? PORT, port === undefined);
  try {
    screen.emit({ event: 'watching', url, file });
    screen.say(`${basename(file)}: ${screen.paint('bold', url)}`);
    if (following.state === 'waiting') screen.say('the file is not there yet');
    let steps = following.digest.length;
    // A look that finds a change may leave more to be read, and the next one finds that the file was cut there: nothing more, and no change.
    let due = false;
    while (!io.signal.aborted) {
      if (!looked.more) await pause(every, io.signal);
      if (io.signal.aborted) break;
      looked = await following.look();
      if (looked.changed && following.digest.length < steps) screen.say('the file begins anew');
      steps = following.digest.length;
      due ||= looked.changed;
      if (due && !looked.more) {
        serving.tell(page.draw(following.digest));
        due = false;
      }
      serving.state = stateOf(following);
      screen.redraw([`${count(steps)} steps, ${count(serving.clients)} browser${serving.clients === 1 ? '' : 's'}`]);
    }
  } finally {
    screen.redraw([]);
    await serving.close();
  }
  return exitCodeOfStop(io.signal.reason as StopCause);
}

function stateOf({ state, digest }: Following): string {
  if (state === 'waiting') return 'Waiting for the file.';
  if (state === 'gone') return 'The file is not there any more.';
  return digest.length === 0 ? 'Waiting for the first step.' : 'Following the run.';
}

/** So long, or until the command is asked to stop. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

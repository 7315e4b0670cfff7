// shown.test.ts: what pages show of commands and of errors is what is printed: the commands of docs/COMMAND-LINE.md, in one folder and in their
// order; the messages of docs/TROUBLESHOOTING.md.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { EXIT } from '../../lib/cli/exit.ts';
import { absent } from '../../lib/native/failure.ts';
import { here } from '../../lib/native/host.ts';
import { folder, run } from '../cli/kit.ts';
import { isAsSaid, run as runPrograms } from './programs.ts';

const root = resolve(import.meta.dirname, '../..');
const PAGE = 'docs/COMMAND-LINE.md';

/** Words of a line, as a shell takes them apart. */
const words = (line: string): string[] => Array.from(line.matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, word]) => quoted ?? word!);

it('COMMAND-LINE.md', async () => {
  const text = readFileSync(join(root, PAGE), 'utf8');
  const cwd = folder();
  mkdirSync(join(cwd, 'node_modules'));
  symlinkSync(root, join(cwd, 'node_modules/gradclip'));
  let code: number = EXIT.ok;
  let commands = 0;
  for (const { index, 1: language, 2: block } of text.matchAll(/^```(js|json|console)\n([\s\S]*?)^```/gm)) {
    if (language === 'js') {
      const file = join(cwd, /^\/\/ (\S+)/.exec(block!)![1]!);
      writeFileSync(file, block!);
      execFileSync(process.execPath, [file], { cwd });
    } else if (language === 'json') {
      // The page names the file before it shows it.
      const name = text
        .slice(0, index)
        .match(/`\w+\.json`/g)!
        .at(-1)!;
      writeFileSync(join(cwd, name.slice(1, -1)), block!);
    } else {
      for (const [, command, shown] of block!.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)) {
        const where = `${PAGE}, line ${text.slice(0, index).split('\n').length}: ${command}`;
        if (command === 'echo $?') {
          expect(`${code}\n`, where).toBe(shown);
          continue;
        }
        const [npx, gradclip, ...argv] = words(command!);
        expect([npx, gradclip], where).toEqual(['npx', 'gradclip']);
        const ran = await run(argv, { cwd });
        const printed = argv.includes('--json') ? ran.stdout : ran.stdout + ran.stderr;
        if (!isAsSaid(shown!, printed)) expect(printed, where).toBe(shown);
        code = ran.code;
        commands++;
      }
    }
  }
  expect(commands).toBeGreaterThan(10);
});

it('TROUBLESHOOTING.md', () => {
  const text = readFileSync(join(root, 'docs/TROUBLESHOOTING.md'), 'utf8');
  // A page breaks long messages. How much memory there is depends on the machine, how long a header is on what a checkpoint has.
  const inLine = (message: string): string =>
    message
      .trim()
      .replace(/\s+/g, ' ')
      .replace(/[\d.]+ [GT]iB/g, '# GiB')
      .replace(/header of \d+ bytes, the file has \d+/g, 'header of # bytes, the file has #');
  const blocks = Array.from(text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm));
  const quoted = blocks.filter(([, language]) => language === '').map(([, , block]) => inLine(block!));

  const source = readFileSync(join(import.meta.dirname, 'mistakes.mjs'), 'utf8');
  const [printed] = runPrograms([{ line: 1, source, file: null, prints: '' }]);
  const package_ = absent({ folder: join(folder(), 'gradclip'), of: 'package' }).message;
  const messages = [
    ...(JSON.parse(printed!) as string[]),
    package_.replace(new RegExp(`${here()}( \\(\\w+\\))?`), 'linux-x64 (glibc)'),
  ].map(inLine);

  const isPrinted = (quote: string): boolean => messages.some((message) => isAsSaid(quote, message));
  expect(quoted.filter((quote) => !isPrinted(quote))).toEqual([]);
  expect(quoted.length).toBeGreaterThan(30);
});

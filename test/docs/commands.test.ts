// commands.test.ts: the commands of docs/COMMAND-LINE.md, in one folder and in their order, print what the page shows.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { EXIT } from '../../lib/cli/exit.ts';
import { folder, run } from '../cli/kit.ts';
import { isAsSaid } from './programs.ts';

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

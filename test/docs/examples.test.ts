// examples.test.ts: the programs of examples/articles and examples/faq: pages show them and what they print as it is, and the compiler has
// nothing against them.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isAsSaid, programsOf } from './programs.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');
const programs = (folder: string): string[] => readdirSync(join(root, folder)).sort();

describe('BY-EXAMPLE.md', () => {
  // programs.test.ts runs what stands on the page.
  const shown = new Set(programsOf('docs/BY-EXAMPLE.md').map(({ source }) => source));

  it.each(programs('examples/articles'))('%s is on it as it stands', (name) => {
    expect(shown).toContain(read(`examples/articles/${name}`));
    expect(read('docs/BY-EXAMPLE.md')).toContain(`node node_modules/gradclip/examples/articles/${name}\n`);
  });
});

describe('FAQ.md', () => {
  const page = read('docs/FAQ.md');
  const said = Array.from(page.matchAll(/^```console\n\$ (.*)\n([\s\S]*?)^```/gm), ([, command, prints]) => {
    const [, name] = /^node node_modules\/gradclip\/examples\/faq\/(\w[\w-]*\.mjs)$/.exec(command!) ?? [];
    return { command: command!, name, prints: prints! };
  });

  it.each(said)('$command', ({ name, prints }) => {
    // The package finds itself by its name.
    const printed = execFileSync(process.execPath, [join(root, 'examples/faq', name!)], { encoding: 'utf8' });
    if (!isAsSaid(prints, printed)) expect(printed).toBe(prints);
  });

  it('shows all programs there are', () => {
    const imported = said.flatMap(({ name }) =>
      Array.from(read(`examples/faq/${name}`).matchAll(/from '\.\/(.*)';$/gm), ([, other]) => other),
    );
    expect([...new Set([...said.map(({ name }) => name), ...imported])].sort()).toEqual(programs('examples/faq'));
  });
});

it('types', () => {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '--noEmit', '--pretty', 'false', '-p', import.meta.dirname];
  // It prints what is wrong, and the error has that.
  execFileSync(process.execPath, args, { encoding: 'utf8', stdio: 'pipe' });
});

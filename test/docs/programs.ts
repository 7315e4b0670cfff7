// programs.ts: the programs in the pages of docs/, and what they print when they run as they stand.
//
// A block marked js is a program. One that imports gradclip stands alone; one that does not goes on from the first block of
// its page, as a reader does who copies both. The next block, where it is marked text, is what the program prints; `...`
// in it stands for anything. A block whose first line is the name of a file (`// train.mjs`) is that file, run by a process
// of its own after those before it, in the same folder.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const BLOCK = /^```(\w*)\n([\s\S]*?)^```$/gm;
/** Between the outputs of programs of one process. */
const END = '\x1e';

export interface Program {
  /** Of the block, for a message. */
  readonly line: number;
  readonly source: string;
  /** The file it is, if it says so. */
  readonly file: string | null;
  /** What the page says that it prints. */
  readonly prints: string;
}

/** The programs of a page, in order. */
export function programsOf(page: string): Program[] {
  const text = readFileSync(join(root, page), 'utf8');
  const blocks = [...text.matchAll(BLOCK)].map(([, language, source], i, all) => ({
    language,
    source: source!,
    line: text.slice(0, all[i]!.index).split('\n').length,
  }));
  const first = blocks.find(({ language }) => language === 'js');
  return blocks.flatMap(({ language, source, line }, i): Program[] => {
    if (language !== 'js') return [];
    const file = /^\/\/ ([\w-]+\.mjs)\n/.exec(source)?.[1] ?? null;
    const alone = file !== null || /^} from 'gradclip';$|^import .* from 'gradclip';$/m.test(source);
    const next = blocks[i + 1];
    const prints = next?.language === 'text' ? next.source : '';
    return [{ line, source: alone ? source : `${first!.source}${source}`, file, prints }];
  });
}

/**
 * What each of them prints, run one after the other in an empty folder: those without a file of their own in one process,
 * since to start one takes longer than most of them.
 */
export function run(programs: readonly Program[]): string[] {
  // Within the package, where its own name is found as in node_modules.
  const folder = mkdtempSync(join(root, 'dist', 'docs-'));
  const node = (file: string): string => execFileSync(process.execPath, [file], { cwd: folder, encoding: 'utf8' });
  try {
    const names = programs.map(({ file }, i) => file ?? `example-${i}.mjs`);
    for (const [i, { source }] of programs.entries()) writeFileSync(join(folder, names[i]!), source);
    if (programs.some(({ file }) => file !== null)) return names.map(node);
    const each = names.map((name) => `await import('./${name}');\nprocess.stdout.write(${JSON.stringify(END)});\n`);
    writeFileSync(join(folder, 'all.mjs'), each.join(''));
    return node('all.mjs').split(END).slice(0, -1);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Whether a text is what a page says, where `...` stands for anything. */
export function isAsSaid(said: string, text: string): boolean {
  const escaped = said.split('...').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('[\\s\\S]*?')}$`).test(text);
}

// rooms.mjs: the README of each folder of lib, binding and test: what somebody wrote of it, and below that a line for each file, which is the file's
// own first line. With --update it writes them, else it says which are not true, and which folders hold more files than anybody looks through.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TREES = ['lib', 'binding', 'test'];
/** The most files of a folder, its README left out. */
const MOST = 21;
/** Folders where each file is one of a kind, with its name: a reader looks for that, however many there are. */
const ONE_OF_A_KIND = new Set(['binding/kernels/rules', 'lib/optim/rules']);
/** What holds data alone, and says so in the README above it. */
const DATA = /^test\/(.*__snapshots__|fixtures|fuzz\/corpus|golden\/(0\.1\.0|parity|models\/gpt2[-\w]*)|native\/fixtures)(\/|$)/;
const CODE = /\.(ts|h|cc|inc|py)$/;
/** What a README is beneath: all above this line is written by hand. */
const MARK = '<!-- npm run -s rooms -- --update writes what follows -->';

/** What a file says of itself: its first lines up to the end of a sentence, without its name. */
export function saying(name, text) {
  const head = /^(?:#!.*\n)?((?:(?:\/\/|#) .*\n)+|"""[\s\S]*?(?:"""|\n\n))/.exec(text)?.[1] ?? '';
  const words = head
    .replace(/^(\/\/|#) |"""/gm, '')
    .replace(/\s+/g, ' ')
    .trim();
  const said = words.startsWith(`${name}: `) ? words.slice(name.length + 2) : words;
  return /^.*?[.:](?= [A-Z]|$)/.exec(said)?.[0] ?? said;
}

/** Folders of a checkout that have a README, from the top; `entries`: their files and folders. */
export function rooms(root) {
  const found = [];
  const visit = (folder) => {
    const all = readdirSync(join(root, folder), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    const files = all.filter((entry) => entry.isFile() && entry.name !== 'README.md').map(({ name }) => name);
    const folders = all.filter((entry) => entry.isDirectory() && !DATA.test(`${folder}/${entry.name}`)).map(({ name }) => name);
    found.push({ folder, files, folders });
    for (const name of folders) visit(`${folder}/${name}`);
  };
  for (const tree of TREES) visit(tree);
  return found;
}

const readme = (root, folder) => {
  const file = join(root, folder, 'README.md');
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
};
/** The paragraph that a README begins with. */
const gist = (text) => /^# .*\n\n([\s\S]*?)(?=\n\n|\n*$)/.exec(text)?.[1].replace(/\s+/g, ' ') ?? '';

/** The README of a folder as it should be, of what is written by hand above the mark. */
export function render(root, { folder, files, folders }) {
  const [above] = readme(root, folder).split(MARK);
  const lines = [
    ...folders.map((name) => `- [${name}/](${name}/README.md): ${gist(readme(root, `${folder}/${name}`))}`),
    ...files
      .filter((name) => CODE.test(name))
      .map((name) => `- [${name}](${name}): ${saying(name, readFileSync(join(root, folder, name), 'utf8'))}`),
  ];
  return `${above.trimEnd()}\n\n${MARK}\n\n${lines.join('\n')}\n`;
}

/** Faults of all folders: without a README or with one that is not true, or with too many files. */
export function faults(root) {
  return rooms(root).flatMap((room) => {
    const text = readme(root, room.folder);
    const found = [];
    if (gist(text) === '')
      found.push(`${room.folder}/README.md: expected a heading and a paragraph that says what is in the folder`);
    else if (text !== render(root, room)) found.push(`${room.folder}/README.md: npm run -s rooms -- --update writes it anew`);
    if (room.files.length > MOST && !ONE_OF_A_KIND.has(room.folder))
      found.push(`${room.folder}: expected at most ${MOST} files, found ${room.files.length}`);
    return found;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('..', import.meta.url));
  if (process.argv.includes('--update')) {
    // From the innermost, whose sentences those above repeat.
    for (const room of rooms(root).reverse()) writeFileSync(join(root, room.folder, 'README.md'), render(root, room));
  }
  const found = faults(root);
  for (const fault of found) console.error(fault);
  console.log(`rooms: ${rooms(root).length} folders, ${found.length} faults`);
  process.exitCode = found.length > 0 ? 1 : 0;
}

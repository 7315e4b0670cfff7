// consumer.mjs: somebody who has installed the package, and nothing else: no types of Node.js, every check of the compiler on. The README's
// example as a module and with `require`, the examples of docs/, and test/types/, by the oldest TypeScript that we support and by our own.
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorsOf, marksOf } from './mistakes.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file) => readFileSync(join(root, file), 'utf8');

/** The blocks of code in a page. */
const blocksOf = (page, language = 'js') =>
  [...read(page).matchAll(/```(\w+)\n([\s\S]*?)```/g)].flatMap((m) => (m[1] === language ? [m[2]] : []));

const example = blocksOf('README.md')[0];

/** The example as a function that is called, with another way to import: what is awaited needs one where modules are CommonJS. */
function within(importing) {
  const [, names, rest] = /^import (\{[^}]*\}) from 'gradclip';\n([\s\S]*)$/.exec(example);
  return `${importing(names)}\n(async () => {\n${rest}})();\n`;
}

/** The README's example runs, imported and required: the same numbers. `run` is that of check-pack.mjs. */
export function checkExample(run, project) {
  writeFileSync(join(project, 'example.mjs'), example);
  writeFileSync(
    join(project, 'example.cjs'),
    within((names) => `const ${names} = require('gradclip');`),
  );
  const [imported, required] = ['example.mjs', 'example.cjs'].map((file) => run(project, process.execPath, file));
  if (imported !== required || !/^accuracy 0\.9/.test(imported)) {
    throw new Error(`the README's example: imported it says\n${imported}required\n${required}`);
  }
  const alike = "import('gradclip').then((g) => process.exit(g.Trainer === require('gradclip').Trainer ? 0 : 1))";
  run(project, process.execPath, '-e', alike);
}

/** Compilers by version: ours, and the one that attw has. */
function compilers() {
  const attw = createRequire(createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json')).resolve(
    '@arethetypeswrong/core/package.json',
  );
  return [createRequire(import.meta.url), createRequire(attw)].map((require) => {
    const manifest = require.resolve('typescript/package.json');
    return { version: JSON.parse(readFileSync(manifest, 'utf8')).version, tsc: join(manifest, '../bin/tsc') };
  });
}

const STRICT = {
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
  types: [],
  target: 'es2022',
};

/** What JavaScript is held to: what its author did not say is not asked for. */
const LOOSE = { allowJs: true, checkJs: true, strict: false, exactOptionalPropertyTypes: false, noUncheckedIndexedAccess: false };

/** A project within the project: it finds what that has installed. */
function folderOf(project, { name, type = 'module', files, options }) {
  const folder = join(project, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  const compilerOptions = { ...STRICT, ...options };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*'] }));
  return folder;
}

/** A block that imports gradclip is a file; others go on from the first of their page, as test/docs/programs.ts has it. */
function programsOf(page) {
  const programs = [];
  for (const block of blocksOf(page)) {
    const alone = /^(import|\}) .*from 'gradclip';$/m.test(block) || nameOf(block) !== undefined;
    if (alone || programs.length === 0) programs.push(block);
    else {
      const imports = block.match(/^import .*\n/gm) ?? [];
      programs.push(`${imports.join('')}${programs[0]}{\n${block.replace(/^import .*\n/gm, '')}}\n`);
    }
  }
  return programs;
}

/** A program whose first line is the name of a file is that file: others import it. */
const nameOf = (text) => /^\/\/ ([\w-]+\.mjs)\n/.exec(text)?.[1];

/** Everything compiles that should, and of test/types/mistakes.ts no line that should not. */
export function checkTypes(project) {
  const types = Object.fromEntries(['uses.ts', 'mistakes.ts'].map((file) => [file, read(`test/types/${file}`)]));
  const pages = readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'));
  const docs = pages.flatMap((page) =>
    programsOf(`docs/${page}`).map((text, i) => [nameOf(text) ?? `${page.slice(0, -3)}-${i}.js`, text]),
  );
  const modern = { lib: ['es2022'], module: 'nodenext', allowImportingTsExtensions: true };
  const marks = marksOf('mistakes.ts', types['mistakes.ts']).map(({ at }) => at);
  const required = within(
    (names) =>
      `import ${names} from 'gradclip';\nimport gradclip = require('gradclip');\nexport const same: typeof Trainer = gradclip.Trainer;`,
  );
  const projects = [
    { name: 'types', files: types, options: modern, wanted: marks },
    { name: 'page', files: { 'page.ts': blocksOf('docs/TYPESCRIPT.md', 'ts').join('') }, options: modern },
    // They print, so somebody must have declared console.
    { name: 'readme', files: { 'example.ts': example }, options: { ...modern, lib: ['es2022', 'dom'] } },
    {
      name: 'required',
      type: 'commonjs',
      files: { 'example.ts': required },
      options: { lib: ['es2023', 'esnext.disposable', 'dom'], module: 'node16' },
    },
    {
      name: 'bundled',
      files: { 'uses.ts': types['uses.ts'] },
      options: { lib: ['esnext'], module: 'esnext', moduleResolution: 'bundler' },
    },
    {
      name: 'docs',
      files: Object.fromEntries(docs),
      options: { ...modern, ...LOOSE, lib: ['es2023'], types: ['node'] },
    },
  ];
  const folders = projects.map((each) => ({ folder: folderOf(project, each), wanted: each.wanted ?? [] }));
  // What Node.js itself gives (console, node:fs) is declared for the pages alone, and so is what they use beside it.
  for (const name of ['@types/node', 'undici-types', 'prom-client'])
    cpSync(join(root, 'node_modules', name), join(project, 'docs/node_modules', name), { recursive: true });
  for (const { version, tsc } of compilers()) {
    for (const { folder, wanted } of folders) {
      const errors = errorsOf(tsc, folder);
      const wrong = [...errors].filter(([at]) => !wanted.includes(at)).map(([at, text]) => `${at}: ${text}`);
      const missing = wanted.filter((at) => !errors.has(at)).map((at) => `${at}: no error\n`);
      if (wrong.length + missing.length > 0)
        throw new Error(`TypeScript ${version}, ${folder}:\n${[...wrong, ...missing].join('')}`);
    }
  }
}

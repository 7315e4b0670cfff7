// site.mjs: `npm run docs`: the docs as a static site in site/, which opens from disk: what lib/index.ts exports, with its comments, and the guides.
// TypeDoc asks for an earlier TypeScript than the project is compiled with, so both have a folder of their own, this one, and are installed
// here when they are needed. Ends with 1 where a link leads nowhere.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { addressesOf, readManifest } from '../release/names.mjs';
import { deadLinksOfSite } from './html.mjs';
import { deadLinksOfPages, documents, root, titleOf } from './markdown.mjs';

const out = join(root, 'site');

/** Installs what the lock of this folder says, unless it is there. */
function install() {
  const lock = (file) => JSON.parse(readFileSync(join(import.meta.dirname, file), 'utf8')).packages;
  const installed = 'node_modules/.package-lock.json';
  const { '': _, ...wanted } = lock('package-lock.json');
  const has = existsSync(join(import.meta.dirname, installed)) ? lock(installed) : {};
  if (Object.keys(wanted).every((path) => has[path]?.version === wanted[path].version)) return;
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], {
    cwd: import.meta.dirname,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
}

/** Of the blocks of code in the pages. */
const languages = () =>
  documents().flatMap((name) =>
    Array.from(readFileSync(join(root, name), 'utf8').matchAll(/^ *```(\w+)$/gm), ([, language]) => language),
  );

async function make() {
  const { Application, Converter, OptionDefaults } = await import('typedoc');
  const { version, ...manifest } = readManifest();
  const { page } = addressesOf(manifest);
  const app = await Application.bootstrap({
    name: `${manifest.name} ${version}`,
    entryPoints: [join(root, 'lib/index.ts')],
    tsconfig: join(root, 'tsconfig.json'),
    // The project's own compiler checks types.
    skipErrorChecking: true,
    basePath: root,
    readme: join(root, 'README.md'),
    projectDocuments: documents().map((name) => join(root, name)),
    // Documents keep their order.
    sort: ['documents-first', 'alphabetical-ignoring-documents'],
    alwaysCreateEntryPointModule: false,
    // Else the name of a file such as CHANGELOG.md becomes a link to a host of that name.
    markdownItOptions: { html: true, linkify: false },
    highlightLanguages: [...new Set([...OptionDefaults.highlightLanguages, ...languages()])],
    blockTags: [...OptionDefaults.blockTags, '@shape'],
    excludePrivate: true,
    // Its page of all classes lacks some that others link to.
    includeHierarchySummary: false,
    disableGit: true,
    gitRevision: `v${version}`,
    sourceLinkTemplate: `${page}/blob/{gitRevision}/{path}#L{line}`,
    navigationLinks: { Repository: page },
    hideGenerator: true,
    validation: { notExported: false, invalidLink: true, invalidPath: true, rewrittenLink: true, notDocumented: false },
    treatWarningsAsErrors: true,
  });
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    document.name = titleOf(document.content.map(({ text }) => text).join(''));
  });
  const project = await app.convert();
  if (!project) return false;
  app.validate(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) return false;
  await app.generateDocs(project, out);
  return !app.logger.hasErrors() && !app.logger.hasWarnings();
}

install();
rmSync(out, { recursive: true, force: true });
const made = await make();
const faults = made ? [...deadLinksOfPages(), ...deadLinksOfSite(out)] : ['TypeDoc has warnings'];
for (const fault of faults) console.error(`docs: ${fault}`);
if (faults.length > 0) process.exitCode = 1;
else console.log(`docs: ${join(out, 'index.html')}`);

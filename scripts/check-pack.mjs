// check-pack.mjs: packs the package, checks what is in it, then installs it into an empty project, without any script, and uses it there.
// Where prebuilds/ has no add-on for this machine, that of the checkout is put where `gradclip build` would put one; with --build that is run.
// With --release the add-ons of all systems must be there, and package.json must name repository and version (release/names.mjs).
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkExample, checkTypes } from './consumer.mjs';
import { anchorsOf, deadLinks as deadLinksOf } from './docs/markdown.mjs';
import { nameFaults, workflow } from './release/names.mjs';
import { sumsOf } from './release/sums.mjs';
import { fileOf, TARGETS } from './release/targets.mjs';

// Bytes, with the add-ons of all systems; and of what is there without them, unpacked: bundle and maps, types, docs, sources, headers. The guides and
// the tables of reference are 570,000 of it.
const MOST = { packed: 12_000_000, unpacked: 30_000_000, withoutPrebuilds: 6_900_000 };

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const release = process.argv.includes('--release');

function run(cwd, command, ...args) {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 });
}

/** Everything under a folder of the checkout, as paths from its root. */
function tree(folder, pattern) {
  if (!existsSync(join(root, folder))) return [];
  // Not into what is installed there: an installed gradclip is a link to the checkout, and has no end.
  const names = readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (!entry.isDirectory()) return [path];
    return entry.name === 'node_modules' ? [] : tree(path, /./);
  });
  return names.filter((name) => pattern.test(name));
}

function checkContent(pack) {
  const allowed = [
    // No types of the add-on.
    /^dist\/types\/(?!native\/(?!runtime\.)).+\.d\.cts$/,
    /^dist\/types\/index\.d\.ts$/,
    /^dist\/bundle\/(.+\.js(\.map)?|index\.cjs)$/,
    /^binding\/.+\.(h|cc|inc|md)$/,
    /^prebuilds\/(SHA256SUMS|[a-z0-9]+-[a-z0-9]+\/gradclip(\.glibc|\.musl)?\.node)$/,
    /^dist\/headers\/\w[\w-]*(\.deprecated)?\.h$/,
    /^cmake\/[\w-]+\.(cmake|map|txt)$/,
    /^(package\.json|README\.md|LICENSE|NOTICE|CHANGELOG\.md|CONTRIBUTING\.md|SECURITY\.md|CMakeLists\.txt)$/,
    /^(docs\/(config\.schema\.json|(reference\/)?[\w-]+\.md)|examples\/[\w-]+\.(json|ts)|examples\/networks\/[\w-]+\.ts|examples\/(articles|faq|server|tables)\/[\w-]+\.mjs|examples\/server\/(package\.json|README\.md)|scripts\/build-native\.mjs)$/,
  ];
  const has = new Set(pack.files.map((file) => file.path));
  const { import: esm, require: cjs } = manifest.exports['.'];
  const named = [...Object.values(esm), ...Object.values(cjs), ...Object.values(manifest.bin)];
  const required = [
    ...['package.json', 'README.md', 'LICENSE', 'NOTICE', 'CHANGELOG.md', 'SECURITY.md', 'CMakeLists.txt'],
    ...tree('docs/reference', /./),
    // What the service is tried with stays in the clone.
    ...tree('examples', /^(?!.*(node_modules|package-lock)).*\.\w+$/),
    ...[
      'docs/README.md',
      'docs/config.schema.json',
      'scripts/build-native.mjs',
      'dist/headers/napi.h',
      'dist/headers/node_api.h',
    ],
    ...named.map((name) => name.replace(/^\.\//, '')),
    ...tree('binding', /\.(h|cc|inc)$/),
    ...tree('cmake', /./),
    ...tree('prebuilds', /\.node$/),
    ...(release ? Object.values(TARGETS).map((target) => `prebuilds/${fileOf(target)}`) : []),
  ];
  return [
    ...[...has].filter((name) => !allowed.some((pattern) => pattern.test(name))).map((name) => `${name} does not belong there`),
    ...required.filter((name) => !has.has(name)).map((name) => `${name} is missing`),
    ...deadLinks(has),
    ...sizes(pack),
    ...unnoticed(),
    ...unsummed(has),
    ...(release ? nameFaults(manifest, workflow()) : []),
  ];
}

function sizes({ size, unpackedSize, files }) {
  const prebuilt = files.filter(({ path }) => path.startsWith('prebuilds/')).reduce((sum, file) => sum + file.size, 0);
  const are = { packed: size, unpacked: unpackedSize, withoutPrebuilds: unpackedSize - prebuilt };
  const large = Object.keys(MOST).filter((what) => are[what] > MOST[what]);
  return large.map((what) => `${what}: expected at most ${MOST[what]} bytes, got ${are[what]}`);
}

/** What others have written and the package has copies of, and whose license NOTICE does not tell in full. */
function unnoticed() {
  const words = (text) => text.replace(/[^\w]+/g, ' ').trim();
  const notice = words(readFileSync(join(root, 'NOTICE'), 'utf8'));
  const licenses = ['node-addon-api/LICENSE.md', 'node-api-headers/LICENSE'];
  const missing = licenses.filter((file) => !notice.includes(words(readFileSync(join(root, 'node_modules', file), 'utf8'))));
  return missing.map((file) => `NOTICE: expected the text of node_modules/${file}`);
}

/** Whether SHA256SUMS lists the add-ons as they are. */
function unsummed(has) {
  if (![...has].some((name) => name.startsWith('prebuilds/'))) return [];
  const folder = join(root, 'prebuilds');
  const said = has.has('prebuilds/SHA256SUMS') ? readFileSync(join(folder, 'SHA256SUMS'), 'utf8') : '';
  const wanted = sumsOf(folder);
  return said === wanted ? [] : [`prebuilds/SHA256SUMS: expected\n${wanted}got\n${said}`];
}

/** Links of the pages in the package that lead to no file of it, nor to a folder of its files. */
function deadLinks(has) {
  const there = (target) => has.has(target) || [...has].some((name) => name.startsWith(`${target}/`));
  const text = (page) => readFileSync(join(root, page), 'utf8');
  const pages = [...has].filter((name) => name.endsWith('.md'));
  return pages.flatMap((page) => deadLinksOf(page, text(page), there, (target) => anchorsOf(text(target))));
}

/** The lock of a project that has the package alone: what it depends on is what this checkout has, so npm asks nobody. */
function lockOf(tarball, integrity) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const needed = Object.entries(packages).filter(([path, { dev }]) => path !== '' && !dev);
  const names = needed.map(([path]) => path);
  if (names.join() !== 'node_modules/node-gyp-build') throw new Error(`expected node-gyp-build alone, got ${names}`);
  const dependencies = { gradclip: `file:${tarball}` };
  const { version, bin, engines, dependencies: of } = manifest;
  const own = { version, resolved: `file:${tarball}`, integrity, bin, engines, dependencies: of };
  const all = { '': { dependencies }, 'node_modules/gradclip': own, ...Object.fromEntries(needed) };
  return {
    manifest: { private: true, type: 'module', dependencies },
    lock: { lockfileVersion: 3, requires: true, packages: all },
  };
}

/** Sees to an add-on in the installed package. @returns where it is from */
function provideAddon(project) {
  const installed = join(project, 'node_modules/gradclip');
  if (process.argv.includes('--build')) {
    run(project, join(project, 'node_modules/.bin/gradclip'), 'build', '--json');
    return 'compiled from the tarball';
  }
  const { resolve } = createRequire(join(installed, 'package.json'))('node-gyp-build');
  try {
    return relative(installed, resolve(installed));
  } catch {
    cpSync(join(root, 'build/Release'), join(installed, 'build/Release'), { recursive: true });
    return "the checkout's own, since prebuilds/ has none for this machine";
  }
}

/** What a user does first: install, import and require, run the command and examples, and compile against the types. */
function checkUse(project, tarball, integrity) {
  const { manifest: own, lock } = lockOf(tarball, integrity);
  writeFileSync(join(project, 'package.json'), JSON.stringify(own));
  writeFileSync(join(project, 'package-lock.json'), JSON.stringify(lock));
  const start = performance.now();
  run(project, 'npm', 'ci', '--silent', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts');
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const from = provideAddon(project);
  run(project, join(project, 'node_modules/.bin/gradclip'), '--help');
  checkExample(run, project);
  // As docs/BY-EXAMPLE.md says, where they are installed.
  for (const file of tree('examples/articles', /./)) run(project, process.execPath, `node_modules/gradclip/${file}`);
  checkTypes(project);
  const code = "const g = require('gradclip'); Object.keys(g).length + ' exports, ' + g.runtime().isa";
  return `installed in ${seconds} s, add-on: ${from}; ${run(project, process.execPath, '-p', code).trim()}`;
}

const work = mkdtempSync(join(tmpdir(), 'gradclip-pack-'));
try {
  const [pack] = JSON.parse(run(root, 'npm', 'pack', '--silent', '--json', '--ignore-scripts', '--pack-destination', work));
  const faults = checkContent(pack);
  for (const fault of faults) console.error(`check-pack: ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
  else {
    // Whether each way of resolving modules finds types of the kind of module that it then runs.
    run(root, join(root, 'node_modules/.bin/attw'), join(work, pack.filename));
    const project = join(work, 'project');
    mkdirSync(project);
    const said = checkUse(project, join(work, pack.filename), pack.integrity);
    console.log(`check-pack: ${pack.files.length} files, ${pack.size} bytes packed, ${pack.unpackedSize} unpacked; ${said}`);
  }
} finally {
  rmSync(work, { recursive: true });
}

// check-pack.mjs: packs the package, checks what is in it, then installs it into an empty project and uses it there.
// The native add-on of this checkout serves there too (GRADCLIP_PREBUILD); with --build it is compiled from the tarball instead.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkExample, checkTypes } from './consumer.mjs';

const MAX_PACKED = 750_000; // bytes; 715,000 with lines kept in the bundle, its source maps (20,000), docs and examples (80,000)

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

function run(cwd, command, ...args) {
  const env = { ...process.env, ...(process.argv.includes('--build') ? {} : { GRADCLIP_PREBUILD: root }) };
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 });
}

/** Everything under a folder of the checkout, as paths from its root. */
function tree(folder, pattern) {
  const names = readdirSync(join(root, folder), { recursive: true });
  return names.map((name) => `${folder}/${name}`).filter((name) => pattern.test(name));
}

function checkContent(pack) {
  const allowed = [
    // No types of the add-on.
    /^dist\/types\/(?!native\/(?!runtime\.)).+\.d\.cts$/,
    /^dist\/types\/index\.d\.ts$/,
    /^dist\/bundle\/(.+\.js(\.map)?|index\.cjs)$/,
    /^binding\/.+\.(h|cc|inc)$/,
    /^prebuilds\/[^/]+\/.+\.(node|so[.\d]*)$/,
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|CONTRIBUTING\.md|CMakeLists\.txt|docs\/(config\.schema\.json|\w+\.md)|examples\/[\w-]+\.(json|ts)|scripts\/install\.mjs)$/,
  ];
  const has = new Set(pack.files.map((file) => file.path));
  // A prebuilt add-on needs the library of its threads beside it.
  const beside = [...has].filter((name) => name.endsWith('.node')).map((name) => name.replace(/[^/]+$/, 'gradclip_openmp.so'));
  const { import: esm, require: cjs } = manifest.exports['.'];
  const named = [...Object.values(esm), ...Object.values(cjs), ...Object.values(manifest.bin)];
  const required = [
    ...[
      'package.json',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'CMakeLists.txt',
      'docs/config.schema.json',
      'scripts/install.mjs',
    ],
    ...named.map((name) => name.replace(/^\.\//, '')),
    ...beside,
    ...tree('binding', /\.(h|cc|inc)$/),
  ];
  return [
    ...[...has].filter((name) => !allowed.some((pattern) => pattern.test(name))).map((name) => `${name} does not belong there`),
    ...required.filter((name) => !has.has(name)).map((name) => `${name} is missing`),
    ...deadLinks(has),
    ...(pack.size > MAX_PACKED ? [`expected at most ${MAX_PACKED} bytes, got ${pack.size}`] : []),
  ];
}

/** Links of the pages in the package that lead to no file of it. */
function deadLinks(has) {
  // The declarations in api.md have brackets before parentheses.
  const pages = [...has].filter((name) => name.endsWith('.md') && name !== 'docs/api.md');
  return pages.flatMap((page) => {
    const links = readFileSync(join(root, page), 'utf8').matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g);
    const named = [...links].map(([, link]) => posix.join(posix.dirname(page), link));
    return named.filter((name) => !has.has(name)).map((name) => `${page} leads to ${name}, which is missing`);
  });
}

/** The lock of a project that has the package alone: what it depends on is what this checkout has, so npm asks nobody. */
function lockOf(tarball, integrity) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const needed = Object.entries(packages).filter(([path, { dev }]) => path !== '' && !dev);
  const dependencies = { gradclip: `file:${tarball}` };
  const { version, bin, engines, dependencies: of } = manifest;
  const own = { version, resolved: `file:${tarball}`, integrity, hasInstallScript: true, bin, engines, dependencies: of };
  const all = { '': { dependencies }, 'node_modules/gradclip': own, ...Object.fromEntries(needed) };
  return {
    manifest: { private: true, type: 'module', dependencies },
    lock: { lockfileVersion: 3, requires: true, packages: all },
  };
}

/** What a user does first: install, import and require, run the command, and compile against the types. */
function checkUse(project, tarball, integrity) {
  const { manifest: own, lock } = lockOf(tarball, integrity);
  writeFileSync(join(project, 'package.json'), JSON.stringify(own));
  writeFileSync(join(project, 'package-lock.json'), JSON.stringify(lock));
  run(project, 'npm', 'ci', '--silent', '--no-audit', '--no-fund', '--prefer-offline');
  run(project, join(project, 'node_modules/.bin/gradclip'), '--help');
  checkExample(run, project);
  checkTypes(project);
  return run(
    project,
    process.execPath,
    '-p',
    "const g = require('gradclip'); Object.keys(g).length + ' exports, ' + g.runtime().isa",
  ).trim();
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
    console.log(`check-pack: ${pack.files.length} files, ${pack.size} bytes packed, ${said}`);
  }
} finally {
  rmSync(work, { recursive: true });
}

// check-pack.mjs: packs the package, checks what is in it, then installs it into an empty project and uses it there.
// The native add-on of this checkout serves there too (GRADCLIP_PREBUILD); with --build it is compiled from the tarball instead.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAX_PACKED = 650_000; // bytes; 613,000 with lines kept in the bundle, and its source maps (20,000)

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
    /^dist\/lib\/.+\.d\.ts$/,
    /^dist\/bundle\/.+\.js(\.map)?$/,
    /^binding\/.+\.(h|cc|inc)$/,
    /^prebuilds\/[^/]+\/.+\.(node|so[.\d]*)$/,
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|CMakeLists\.txt|scripts\/install\.mjs)$/,
  ];
  const has = new Set(pack.files.map((file) => file.path));
  const compiled = tree('lib', /\.ts$/).map((name) => `dist/${name.slice(0, -3)}.d.ts`);
  // A prebuilt add-on needs the library of its threads beside it.
  const beside = [...has].filter((name) => name.endsWith('.node')).map((name) => name.replace(/[^/]+$/, 'gradclip_openmp.so'));
  const named = [manifest.exports['.'].default, manifest.exports['.'].types, ...Object.values(manifest.bin)];
  const required = [
    ...['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'CMakeLists.txt', 'scripts/install.mjs'],
    ...named.map((name) => name.replace(/^\.\//, '')),
    ...compiled,
    ...beside,
    ...tree('binding', /\.(h|cc|inc)$/),
  ];
  return [
    ...[...has].filter((name) => !allowed.some((pattern) => pattern.test(name))).map((name) => `${name} does not belong there`),
    ...required.filter((name) => !has.has(name)).map((name) => `${name} is missing`),
    ...(pack.size > MAX_PACKED ? [`expected at most ${MAX_PACKED} bytes, got ${pack.size}`] : []),
  ];
}

/** What a user does first: install, import, require, run the command, and compile TypeScript against the types. */
function checkUse(project, tarball) {
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  run(project, 'npm', 'install', '--silent', '--no-audit', '--no-fund', '--prefer-offline', tarball);
  writeFileSync(
    join(project, 'use.ts'),
    `import * as gradclip from 'gradclip';
import { createRequire } from 'node:module';
const required: typeof gradclip = createRequire(import.meta.url)('gradclip');
if (required.GradclipError !== gradclip.GradclipError) throw new Error('require and import differ');
console.log(Object.keys(gradclip).length + ' exports, ' + gradclip.runtime().isa);
`,
  );
  const options = [
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--lib',
    'es2023,esnext.disposable',
    '--types',
    'node',
  ];
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true });
  for (const name of ['@types/node', 'undici-types'])
    symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
  run(project, process.execPath, join(root, 'node_modules/typescript/bin/tsc'), ...options, 'use.ts');
  const said = run(project, process.execPath, 'use.js').trim();
  run(project, join(project, 'node_modules/.bin/gradclip'), '--help');
  return said;
}

const work = mkdtempSync(join(tmpdir(), 'gradclip-pack-'));
try {
  const [pack] = JSON.parse(run(root, 'npm', 'pack', '--silent', '--json', '--ignore-scripts', '--pack-destination', work));
  const faults = checkContent(pack);
  for (const fault of faults) console.error(`check-pack: ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
  else {
    const project = join(work, 'project');
    mkdirSync(project);
    const said = checkUse(project, join(work, pack.filename));
    console.log(`check-pack: ${pack.files.length} files, ${pack.size} bytes packed, ${said}`);
  }
} finally {
  rmSync(work, { recursive: true });
}

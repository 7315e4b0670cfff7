// run.mjs: `npm run -s check:recipes -- [--only NAME,NAME]`: installs what the recipes of docs/SOURCES.md take into build-recipes, and as root a PostgreSQL
// server of Debian, runs each, and compares what it prints. What cannot be had is skipped. Exit code 1 where one prints something else.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { asRoot, debian, node, root, run, Skip } from '../installs/tools.mjs';
import { PRINTS, RECIPES } from './list.mjs';

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const asked = values.only?.split(',') ?? null;
const folder = join(root, 'build-recipes');
mkdirSync(join(folder, 'node_modules'), { recursive: true });
writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
cpSync(join(root, 'examples/tables'), folder, { recursive: true });

/** Packages of npm, beside those that are there, and this one. */
function install(packages) {
  const missing = packages.filter((name) => !existsSync(join(folder, 'node_modules', name)));
  // Those that are there already, too: npm removes what it is not asked for.
  const there = RECIPES.flatMap((recipe) => recipe.packages).filter((name) => existsSync(join(folder, 'node_modules', name)));
  const flags = ['--silent', '--no-audit', '--no-fund', '--no-package-lock', '--no-save', '--ignore-scripts'];
  // Where there is no network, that is known soon.
  flags.push('--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000');
  try {
    if (missing.length > 0) run('npm', ['install', ...flags, ...there, ...missing], { cwd: folder });
  } catch (error) {
    const said = `${error.stderr ?? ''}`.trim().split('\n').at(-1);
    throw new Skip(`${missing.join(', ')} cannot be installed: ${said || error.message.split('\n')[0]}`);
  }
  const own = join(folder, 'node_modules/gradclip');
  rmSync(own, { force: true });
  symlinkSync(root, own);
}

/** A PostgreSQL server of its own for the time of `use`, which gets the environment by which it is found. */
function withServer(use) {
  asRoot('a PostgreSQL server');
  debian('pg_ctlcluster', 'postgresql');
  const [version] = readdirSync('/usr/lib/postgresql').sort((a, b) => b - a);
  const program = (name) => join('/usr/lib/postgresql', version, 'bin', name);
  const data = `/tmp/gradclip-recipes-${process.pid}`;
  // It refuses to run as root.
  const asPostgres = (...args) => execFileSync('runuser', ['-u', 'postgres', '--', ...args], { cwd: '/tmp', stdio: 'ignore' });
  mkdirSync(data);
  run('chown', ['postgres', data]);
  try {
    asPostgres(program('initdb'), '-D', join(data, 'db'), '-A', 'trust');
    const options = `-c listen_addresses= -k ${data}`;
    asPostgres(program('pg_ctl'), '-D', join(data, 'db'), '-w', '-l', join(data, 'log'), '-o', options, 'start');
    try {
      return use({ PGHOST: data, PGUSER: 'postgres', PGDATABASE: 'postgres' });
    } finally {
      asPostgres(program('pg_ctl'), '-D', join(data, 'db'), '-w', '-m', 'fast', 'stop');
    }
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}

let wrong = 0;
for (const { file, packages, server, node: version } of RECIPES) {
  if (asked && !asked.some((name) => file.startsWith(name))) continue;
  try {
    install(packages);
    const program = version === undefined || isBuiltin('node:sqlite') ? process.execPath : node(version);
    const ran = (env) => execFileSync(program, [file], { cwd: folder, encoding: 'utf8', env: { ...process.env, ...env } });
    const printed = server ? withServer(ran) : ran({});
    wrong += printed === PRINTS ? 0 : 1;
    console.log(`${file.padEnd(16)} ${printed === PRINTS ? 'ok      ' : 'WRONG   '} ${printed.trim()}`);
  } catch (error) {
    if (!(error instanceof Skip)) throw error;
    console.log(`${file.padEnd(16)} skipped  ${error.message}`);
  }
}
process.exitCode = wrong > 0 ? 1 : 0;

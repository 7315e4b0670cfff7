// run.mjs: `npm run -s try:installs -- [TARBALL] [--only TEXT,TEXT] [--list]`: installs the package in all places (places.mjs), trains the README's example there,
// and prints a table with the hash of the saved weights, which must be the same everywhere; those of the x86-64 baseline, which has no fma, are alike
// among themselves. Without a tarball: one of this checkout, with what is in prebuilds/, or with the file of
// --addon for this machine. What cannot be had on this machine is skipped, with the reason.
import { appendFileSync, cpSync, existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { dropAll, freshFolder } from './kit.mjs';
import { PLACES } from './places.mjs';
import { root, run, Skip } from './tools.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    log: { type: 'string' },
    addon: { type: 'string' },
  },
});

const HERE = `${process.platform}-${process.arch}`;

/** The places whose names have one of these texts, or all. */
function chosen() {
  const texts = values.only?.split(',') ?? [''];
  const places = PLACES.filter(({ name }) => texts.some((text) => name.includes(text)));
  if (places.length === 0) throw new Error(`--only: no place is called ${values.only}; --list shows them`);
  return places;
}

/** @returns the tarball that was named, or one of this checkout */
function packed() {
  if (positionals[0]) return resolve(positionals[0]);
  const to = freshFolder('pack-');
  const pack = (folder) => {
    const [{ filename }] = JSON.parse(
      run('npm', ['pack', '--silent', '--json', '--ignore-scripts', '--pack-destination', to], { cwd: folder }),
    );
    return join(to, filename);
  };
  const tarball = pack(root);
  if (values.addon === undefined) {
    if (existsSync(join(root, 'prebuilds', HERE))) return tarball;
    throw new Error(
      `prebuilds/${HERE} is missing: npm run release:prebuilds; or --addon FILE, of a build without OpenMP, in its place`,
    );
  }
  run('tar', ['xf', tarball], { cwd: to });
  const place = join(to, 'package/prebuilds', HERE);
  mkdirSync(place, { recursive: true });
  cpSync(values.addon, join(place, process.platform === 'linux' ? 'gradclip.glibc.node' : 'gradclip.node'));
  return pack(join(to, 'package'));
}

async function result({ name, at }, tarball) {
  const begin = performance.now();
  const took = () => `${Math.round((performance.now() - begin) / 1000)} s`;
  try {
    return { name, state: 'ok', ...(await at(tarball)), took: took() };
  } catch (error) {
    if (error instanceof Skip) return { name, state: 'skipped', note: error.message, took: took() };
    return {
      name,
      state: 'FAILED',
      note: `${error.stderr || error.message}`.trim().split('\n').slice(0, 12).join('\n'),
      took: took(),
    };
  }
}

const short = (hash) => (hash ?? '').slice(0, 16);
const COLUMNS = [
  ['place', 48, ({ name }) => name],
  ['', 8, ({ state }) => state],
  ['install', 8, ({ seconds }) => (seconds === undefined ? '' : `${seconds.toFixed(1)} s`)],
  ['add-on', 22, ({ isa, team, libc }) => [isa, team, libc].filter(Boolean).join(' ')],
  ['example', 17, ({ hash }) => short(hash)],
  ['threads, workers', 17, ({ program }) => short(program)],
  ['took', 6, ({ took }) => took],
  ['', 0, ({ note }) => note ?? ''],
];
const line = (cells) =>
  cells
    .map((cell, i) => `${cell}`.padEnd(COLUMNS[i][1]))
    .join(' ')
    .trimEnd();

/** The hashes that are not what those of the same kind of arithmetic are. */
function odd(results) {
  return results.filter(({ hash, program, isa }) => {
    const first = (key) => results.find((other) => other[key] && (other.isa === 'x86_64') === (isa === 'x86_64'))?.[key];
    return (hash && hash !== first('hash')) || (program && program !== first('program'));
  });
}

if (values.list) for (const { name } of PLACES) console.log(name);
else {
  const places = chosen();
  const tarball = packed();
  console.log(line(COLUMNS.map(([title]) => title)));
  const results = [];
  try {
    for (const place of places) {
      const one = await result(place, tarball);
      results.push(one);
      const text = line(COLUMNS.map(([, , of]) => of(one)));
      console.log(text);
      if (values.log) appendFileSync(values.log, `${text}\n`);
    }
  } finally {
    dropAll();
  }
  const count = (state) => results.filter((one) => one.state === state).length;
  const different = odd(results);
  for (const { name, hash, program } of different) console.log(`${name}: other weights: ${hash}, ${program}`);
  console.log(
    `${count('ok')} ok, ${count('skipped')} skipped, ${count('FAILED')} failed, ${different.length} with other weights`,
  );
  const [first] = results.filter(({ hash, isa }) => hash && isa && isa !== 'x86_64');
  if (first) console.log(`sha256 of the example's weights: ${first.hash}`);
  process.exitCode = count('FAILED') + different.length > 0 ? 1 : 0;
}

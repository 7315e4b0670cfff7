// columns.mjs: `npm run -s measure:columns -- [--rows N] [--batch N] [--rounds N] [--only WAY,WAY]`: a table of 20 columns, ten million rows by default,
// through a fit of a network 20-64-32-1. The ways take turns, each time in a process of its own. One JSON line for each, of medians: rows a second, what of the
// speed of rows in memory that is, and MiB at most above a process that has the source's own data and has trained the network on a few rows. Ways:
//   memory       rows in memory, in their order (a million of them, again and again)
//   shuffled     the same, in another order in each epoch
//   parts        `columns` of parts of 65,536 rows that are there already
//   windows      the same, shuffled in windows of as many rows
//   generated    `columns` of parts whose values are made on the way
//   rows         `columns` of single rows as objects, which are there already
//   duckdb-alone a Parquet file read by DuckDB, and nothing else (where `npm run -s check:recipes` has installed it)
//   duckdb       the same through `columns` and a fit
// Exit code 1 where what is promised does not hold: `parts` and `generated` take 64 MiB at most, `parts` has 80 % of the speed of `memory`, `duckdb` takes
// 200 MiB more than `duckdb-alone` at most.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { watchMemory } from '../dist/bench/memory.js';
import { columns, loss, nn, ops, optim, runtime, Trainer } from '../dist/lib/index.js';

const WIDTH = 20;
const PART = 65_536;
const IN_MEMORY = 1_000_000;
const NAMES = Array.from({ length: WIDTH }, (_, c) => `c${c}`);
const ARRAYS = { x: NAMES, y: ['y'] };
const recipes = fileURLToPath(new URL('../build-recipes/', import.meta.url));
const parquet = join(recipes, 'measured.parquet');

const text = { type: 'string' };
const { values } = parseArgs({ options: { rows: text, batch: text, rounds: text, only: text, way: text } });
const rows = Number(values.rows ?? 10_000_000);
const batchSize = Number(values.batch ?? 1024);
const rounds = Number(values.rounds ?? 3);

/** Numbers from -0.5 to 0.5, from a seed: what they are does not matter. */
function fill(array, seed) {
  let state = seed;
  for (let i = 0; i < array.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    array[i] = state / 2 ** 32;
  }
}
const newPart = () => Object.fromEntries([...NAMES, 'y'].map((name) => [name, new Float32Array(PART)]));
function filled(part, seed) {
  for (const [c, array] of Object.values(part).entries()) fill(array, 31 * seed + c);
  return part;
}
/** The table, in parts. @param part the k-th of them */
function* inParts(part) {
  for (let from = 0, k = 0; from < rows; from += PART, k++) {
    const [whole, left] = [part(k), rows - from];
    yield left >= PART ? whole : Object.fromEntries(Object.entries(whole).map(([name, a]) => [name, a.subarray(0, left)]));
  }
}
const ready = () => {
  const pool = Array.from({ length: 4 }, (_, k) => filled(newPart(), k + 1));
  return () => inParts((k) => pool[k % pool.length]);
};

function inMemory(count) {
  const [x, y] = [new Float32Array(count * WIDTH), new Float32Array(count)];
  fill(x, 1);
  fill(y, 2);
  return { x: { data: x, shape: [count, WIDTH] }, y: { data: y, shape: [count, 1] } };
}

/** A query of the Parquet file, as docs/SOURCES.md has it. */
async function duckdb() {
  const { DuckDBInstance } = await import(pathToFileURL(createRequire(recipes).resolve('@duckdb/node-api')).href);
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  return { connection, chunks: () => query(connection, `SELECT * FROM '${parquet}'`) };
}
async function* query(connection, sql) {
  const result = await connection.stream(sql);
  const names = result.columnNames();
  for (;;) {
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) return;
    yield Object.fromEntries(names.map((name, c) => [name, chunk.getColumnVector(c).items]));
  }
}
async function writeParquet() {
  const { connection } = await duckdb();
  const made = [...NAMES, 'y'].map((name, c) => `(hash(i * 21 + ${c}) / 18446744073709551616.0 - 0.5)::FLOAT AS ${name}`);
  await connection.run(`COPY (SELECT ${made.join(', ')} FROM range(${rows}) t(i)) TO '${parquet}' (FORMAT parquet)`);
}

/** What makes a source, and what then is measured. */
const fitted = (source, options) => () => {
  const data = source();
  return async (trainer) => (await trainer.fit(data, options)).tried;
};
const steps = Math.ceil(rows / batchSize);
const WAYS = {
  memory: fitted(() => inMemory(IN_MEMORY), { shuffle: false, steps }),
  shuffled: fitted(() => inMemory(IN_MEMORY), { steps }),
  parts: fitted(() => columns(ready(), ARRAYS)),
  windows: fitted(() => columns(ready(), ARRAYS, { shuffle: PART })),
  generated: fitted(() => {
    const part = newPart();
    return columns(() => inParts((k) => filled(part, k + 1)), ARRAYS);
  }),
  rows: fitted(() => {
    const part = filled(newPart(), 1);
    const some = Array.from({ length: 1024 }, (_, r) =>
      Object.fromEntries(Object.entries(part).map(([name, a]) => [name, a[r]])),
    );
    return columns(function* () {
      for (let i = 0; i < rows; i++) yield some[i & 1023];
    }, ARRAYS);
  }),
  'duckdb-alone': () => async () => {
    let sum = 0;
    for await (const part of (await duckdb()).chunks()) sum += part.y[0];
    return Number.isFinite(sum) ? 0 : 1;
  },
  duckdb: () => async (trainer) => (await trainer.fit(columns((await duckdb()).chunks, ARRAYS))).tried,
};

async function measured(way) {
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(WIDTH, 64), ops.relu, new nn.Linear(64, 32), ops.relu, new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.adamw({ lr: 1e-3 }),
    batchSize,
    seed: 1,
  });
  await trainer.fit(inMemory(16 * batchSize), { epochs: 8 });
  const work = WAYS[way]();
  globalThis.gc();
  const memory = watchMemory();
  const start = performance.now();
  const tried = await work(trainer);
  const seconds = (performance.now() - start) / 1000;
  return { steps: tried, rows_per_s: rows / seconds, mib: memory() };
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
function child(way) {
  const argv = ['--expose-gc', fileURLToPath(import.meta.url), '--rows', rows, '--batch', batchSize, '--way', way].map(String);
  return JSON.parse(execFileSync(process.execPath, argv, { encoding: 'utf8' }));
}

async function main() {
  const asked = values.only?.split(',') ?? Object.keys(WAYS);
  const there = existsSync(join(recipes, 'node_modules/@duckdb/node-api'));
  const ways = asked.filter((way) => there || !way.startsWith('duckdb'));
  if (ways.length < asked.length) console.error('duckdb: skipped: npm run -s check:recipes installs it');
  if (ways.some((way) => way.startsWith('duckdb'))) await writeParquet();
  const found = new Map(ways.map((way) => [way, []]));
  for (let round = 0; round < rounds; round++) for (const [way, all] of found) all.push(child(way));
  rmSync(parquet, { force: true });

  const { isa, threads } = runtime();
  const cpus = availableParallelism();
  console.log(JSON.stringify({ rows, columns: WIDTH, batch: batchSize, isa, threads: threads.count, cpus, load: loadavg()[0] }));
  const speed = (way) => (found.has(way) ? median(found.get(way).map((one) => one.rows_per_s)) : null);
  const mib = (way) => (found.has(way) ? median(found.get(way).map((one) => one.mib)) : null);
  for (const [way, [{ steps }]] of found) {
    const of_memory = found.has('memory') ? Number((speed(way) / speed('memory')).toFixed(3)) : null;
    console.log(JSON.stringify({ way, steps, rows_per_s: Math.round(speed(way)), of_memory, mib: mib(way) }));
  }
  const held = {
    'parts and generated take 64 MiB at most': Math.max(mib('parts') ?? 0, mib('generated') ?? 0) <= 64,
    'parts have 80 % of the speed of memory':
      speed('parts') === null || speed('memory') === null || speed('parts') >= 0.8 * speed('memory'),
    'duckdb takes 200 MiB more than alone at most': (mib('duckdb') ?? 0) - (mib('duckdb-alone') ?? 0) <= 200,
  };
  for (const [what, holds] of Object.entries(held)) {
    if (holds) continue;
    console.error(`does not hold: ${what}`);
    process.exitCode = 1;
  }
}

if (values.way) console.log(JSON.stringify(await measured(values.way)));
else await main();

// list.mjs: the recipes of docs/SOURCES.md, what they take, and what they print: all the same, since they train on the same rows.

export const PRINTS = '626 steps, loss 4.85e-4, a flat of 80 m2: 1.673\n';

/** `packages` of npm; `node`: the version of Node.js that has what they take, if this one has not; `server`: a PostgreSQL server. */
export const RECIPES = [
  { file: 'hyparquet.mjs', packages: ['hyparquet', 'hyparquet-writer'] },
  { file: 'arrow.mjs', packages: ['apache-arrow'] },
  { file: 'duckdb.mjs', packages: ['@duckdb/node-api'] },
  { file: 'sqlite.mjs', packages: [], node: 24 },
  { file: 'postgres.mjs', packages: ['pg', 'pg-cursor'], server: true },
];

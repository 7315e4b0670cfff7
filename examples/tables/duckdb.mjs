// duckdb.mjs: what a query of DuckDB gives, so any file that it reads: Parquet, CSV, JSON, Arrow. npm install @duckdb/node-api
import { DuckDBInstance } from '@duckdb/node-api';
import { ROWS, train } from './flats.mjs';

/** Chunks of 2,048 rows, read while the query runs. */
async function* query(connection, sql) {
  const result = await connection.stream(sql);
  const names = result.columnNames();
  for (;;) {
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) return;
    // Numbers as they lie there; of other types, such as BOOLEAN and DECIMAL, a list of values.
    const values = (c) => chunk.getColumnVector(c).items ?? chunk.getColumnValues(c);
    yield Object.fromEntries(names.map((name, c) => [name, values(c)]));
  }
}

const connection = await (await DuckDBInstance.create(':memory:')).connect();
await connection.run(`CREATE TABLE flats AS
  SELECT i, (30 + (i * 37) % 171)::DOUBLE AS area, (1 + (i * 7) % 5)::INTEGER AS rooms, (i * 13) % 100 AS age, i % 3 = 0 AS garden
  FROM range(${ROWS}) t(i)`);
const sql = `SELECT area, rooms, age, garden::UTINYINT AS garden,
  (area * 15 + rooms * 100 - age * 4 + CASE WHEN garden THEN 200 ELSE 0 END)::DOUBLE / 1000::DOUBLE AS price
  FROM flats ORDER BY i`;
await train(() => query(connection, sql));

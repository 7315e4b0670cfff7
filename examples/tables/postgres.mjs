// postgres.mjs: a query of PostgreSQL by a cursor: the server holds the rows. npm install pg pg-cursor; PGHOST, PGUSER, PGDATABASE and others say where it is
import pg from 'pg';
import Cursor from 'pg-cursor';
import { ROWS, train } from './flats.mjs';

/** Rows of a query, some thousand at a time. A run that ends early closes the cursor. */
async function* rows(client, sql) {
  const cursor = client.query(new Cursor(sql));
  try {
    for (;;) {
      const some = await cursor.read(5000);
      if (some.length === 0) return;
      yield some;
    }
  } finally {
    await cursor.close();
  }
}

const client = new pg.Client();
await client.connect();
await client.query(`CREATE TEMPORARY TABLE flats AS
  SELECT i, (30 + (i * 37) % 171)::float8 AS area, (1 + (i * 7) % 5)::int4 AS rooms, ((i * 13) % 100)::int8 AS age, i % 3 = 0 AS garden
  FROM generate_series(0, ${ROWS - 1}) i`);
// pg gives int8 and numeric as text, for they may have more digits than a number: the query makes numbers of them.
const sql = `SELECT area, rooms, age::float8 AS age, garden,
  (area * 15 + rooms * 100 - age * 4 + CASE WHEN garden THEN 200 ELSE 0 END) / 1000 AS price FROM flats ORDER BY i`;
await train(() => rows(client, sql));
await client.end();

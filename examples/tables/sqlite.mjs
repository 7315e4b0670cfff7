// sqlite.mjs: a table of SQLite, some thousand rows at a time: no cursor stays open, so others may write meanwhile. npm install better-sqlite3, or
// DatabaseSync of node:sqlite, which has the same methods
import { flat, ROWS, train } from './flats.mjs';

/** Rows by their ids, from the place at which a run begins. */
function* pages(db, { row }) {
  const page = db.prepare('SELECT * FROM flats WHERE id > ? ORDER BY id LIMIT 5000');
  for (let last = row; ; ) {
    const rows = page.all(last);
    if (rows.length === 0) return;
    yield rows;
    last = rows.at(-1).id;
  }
}

const db = await open();
db.exec('CREATE TABLE flats (id INTEGER PRIMARY KEY, area REAL, rooms INTEGER, age INTEGER, garden INTEGER, price REAL)');
const insert = db.prepare('INSERT INTO flats (area, rooms, age, garden, price) VALUES (?, ?, ?, ?, ?)');
db.exec('BEGIN');
for (let i = 0; i < ROWS; i++) {
  const { area, rooms, age, garden, price } = flat(i);
  insert.run(area, rooms, age, Number(garden), price);
}
db.exec('COMMIT');
// Ids are 1, 2, 3, ...: the row that comes first is the one after as many.
await train((at) => pages(db, at));
db.close();

async function open() {
  try {
    return new (await import('better-sqlite3')).default(':memory:');
  } catch {
    return new (await import('node:sqlite')).DatabaseSync(':memory:');
  }
}

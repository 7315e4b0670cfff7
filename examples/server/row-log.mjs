// row-log.mjs: the log of labeled rows, in SQLite. What it has once acknowledged is on the disk, and its order is the one in which rows are learned.
import Database from 'better-sqlite3';

/** Of so many rows one is never learned: candidates are judged by these. */
const HELD_OUT = 8;
const FIELDS = 'id, distance, parcels, hour, traffic, weather, late';

export class RowLog {
  #db;
  #insert;
  #training;
  #heldOut;
  #waiting;

  /** @param file made where it is not there */
  constructor(file) {
    const db = new Database(file);
    db.pragma('journal_mode = WAL');
    // An answer of 201 means that the row survives a loss of power.
    db.pragma('synchronous = FULL');
    db.exec(`CREATE TABLE IF NOT EXISTS deliveries (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      distance REAL NOT NULL, parcels INTEGER NOT NULL, hour INTEGER NOT NULL, traffic REAL NOT NULL, weather TEXT NOT NULL,
      late INTEGER NOT NULL,
      received TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
    ) STRICT;
    CREATE INDEX IF NOT EXISTS held_out ON deliveries (id) WHERE id % ${HELD_OUT} = 0`);
    const row = db.prepare(
      'INSERT INTO deliveries (distance, parcels, hour, traffic, weather, late) VALUES (@distance, @parcels, @hour, @traffic, @weather, @late)',
    );
    this.#insert = db.transaction((rows) => {
      let last = 0;
      for (const given of rows) last = Number(row.run({ ...given, late: Number(given.late) }).lastInsertRowid);
      return last;
    });
    this.#training = db.prepare(`SELECT ${FIELDS} FROM deliveries WHERE id > ? AND id % ${HELD_OUT} <> 0 ORDER BY id LIMIT ?`);
    this.#heldOut = db.prepare(
      `SELECT ${FIELDS} FROM deliveries WHERE id <= ? AND id % ${HELD_OUT} = 0 ORDER BY id DESC LIMIT ?`,
    );
    this.#waiting = db.prepare('SELECT coalesce(max(id), 0) AS last FROM deliveries');
    this.#db = db;
  }

  /** All of them or, where one fails, none. @returns the id of the last */
  append(rows) {
    return this.#insert(rows);
  }

  /** Id of the newest row; 0: there is none. */
  get last() {
    return this.#waiting.get().last;
  }

  /** The rows to learn next, oldest first. @param after the id of the last one that was learned */
  training(after, count) {
    return this.#training.all(after, count);
  }

  /** The newest rows that nobody learns, up to an id. */
  heldOut(upTo, count) {
    return this.#heldOut.all(upTo, count);
  }

  close() {
    this.#db.close();
  }
}

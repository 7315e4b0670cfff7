// absent.d.ts: libraries that recipes take and the suite does not install: anything may be done with them.
declare module '@duckdb/node-api';
declare module 'apache-arrow';
declare module 'better-sqlite3';
declare module 'node:sqlite';
declare module 'pg';
declare module 'pg-cursor';

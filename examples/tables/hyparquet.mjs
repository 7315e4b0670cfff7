// hyparquet.mjs: a Parquet file, one group of rows at a time, without a native library. npm install hyparquet; hyparquet-writer makes the file here
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { parquetWriteFile } from 'hyparquet-writer';
import { COLUMNS, flat, ROWS, train } from './flats.mjs';

/** Columns of a file, a group of rows at a time. */
async function* parquet(name, columns) {
  const file = await asyncBufferFromFile(name);
  const metadata = await parquetMetadataAsync(file);
  let rowStart = 0;
  for (const { num_rows } of metadata.row_groups) {
    const rowEnd = rowStart + Number(num_rows);
    const part = Object.fromEntries(columns.map((column) => [column, []]));
    const onChunk = ({ columnName, columnData }) => part[columnName].push(columnData);
    await parquetRead({ file, metadata, columns, rowStart, rowEnd, onChunk });
    // One array a page, or more.
    const joined = (pages) => (pages.length === 1 ? pages[0] : pages.flatMap((page) => [...page]));
    yield Object.fromEntries(columns.map((column) => [column, joined(part[column])]));
    rowStart = rowEnd;
  }
}

const folder = mkdtempSync(join(tmpdir(), 'flats-'));
const name = join(folder, 'flats.parquet');
const flats = Array.from({ length: ROWS }, (_, i) => flat(i));
const types = { area: 'DOUBLE', rooms: 'INT32', age: 'INT64', garden: 'BOOLEAN', price: 'DOUBLE' };
const columnData = COLUMNS.map((column) => {
  const data = flats.map((one) => (types[column] === 'INT64' ? BigInt(one[column]) : one[column]));
  return { name: column, data, type: types[column] };
});
parquetWriteFile({ filename: name, columnData, rowGroupSize: 3000 });
await train(() => parquet(name, COLUMNS));
rmSync(folder, { recursive: true });

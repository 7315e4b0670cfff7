// arrow.mjs: a file or stream of Arrow (IPC, Feather), one record batch at a time. npm install apache-arrow
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bool, RecordBatchReader, tableFromArrays, tableToIPC, vectorFromArray } from 'apache-arrow';
import { flat, ROWS, train } from './flats.mjs';

/** Record batches of a stream of bytes. */
async function* arrow(stream) {
  for await (const batch of await RecordBatchReader.from(stream)) {
    // Numbers as they lie there; else a list, in which null says that there is none.
    const values = (vector) => (vector.nullCount > 0 ? [...vector] : vector.toArray());
    yield Object.fromEntries(batch.schema.fields.map(({ name }, c) => [name, values(batch.getChildAt(c))]));
  }
}

const folder = mkdtempSync(join(tmpdir(), 'flats-'));
const file = join(folder, 'flats.arrow');
const flats = Array.from({ length: ROWS }, (_, i) => flat(i));
const column = (name, Type) => Type.from(flats, (one) => one[name]);
const table = tableFromArrays({
  area: column('area', Float64Array),
  rooms: column('rooms', Int32Array),
  age: BigInt64Array.from(flats, ({ age }) => BigInt(age)),
  garden: vectorFromArray(
    flats.map(({ garden }) => garden),
    new Bool(),
  ),
  price: column('price', Float64Array),
});
writeFileSync(file, tableToIPC(table, 'stream'));
await train(() => arrow(createReadStream(file)));
rmSync(folder, { recursive: true });

// replay.mjs: `node replay.mjs FOLDER` learns the log of a service once more, from its first row to its last whole block, and tells whether the weights are those that
// the service has: its position in the log, and a hash of the weights. Stop the service first.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Learner } from './learner.mjs';
import { RowLog } from './row-log.mjs';

/** Everything that there is to learn, by whoever goes on from a folder. */
async function learned(log, folder) {
  const learner = await Learner.open({ log, folder, threads: 1, every: 1e9 });
  await learner.run({ idle: true });
  const found = {
    ...learner.place,
    live: learner.live?.lastId ?? null,
    hash: createHash('sha256')
      .update(await learner.weights())
      .digest('hex'),
  };
  learner.dispose();
  return found;
}

const folder = process.argv[2];
if (!folder) {
  console.error('node replay.mjs FOLDER: of a service that has ended');
  process.exit(2);
}
const log = new RowLog(join(folder, 'deliveries.db'));
const fresh = mkdtempSync(join(tmpdir(), 'replay-'));
try {
  const service = await learned(log, folder);
  const once = await learned(log, fresh);
  const same = JSON.stringify(service) === JSON.stringify(once);
  console.log(JSON.stringify({ same, rows: log.last, service, once }));
  process.exitCode = same ? 0 : 1;
} finally {
  log.close();
  rmSync(fresh, { recursive: true });
}

// server.mjs: starts the service, and ends it: `node server.mjs`. README.md has the settings.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { callbacks } from 'gradclip';
import { makeApp } from './app.mjs';
import { Learner } from './learner.mjs';
import { makeMetrics } from './metrics.mjs';
import { RowLog } from './row-log.mjs';
import { settings } from './settings.mjs';

/** Milliseconds that a graceful end may take. Kubernetes kills after 30 seconds. */
const GRACE = 20_000;

const { host, port, token, folder, threads, checkpointSeconds, maxBacklog, level } = settings(process.env);
mkdirSync(folder, { recursive: true });
const log = new RowLog(join(folder, 'deliveries.db'));
const metrics = makeMetrics();
const told = {
  judged: ({ candidate, live, rows, place }) => app.log.info({ candidate, live, rows, ...place }, 'judged'),
  swapped: (place) => app.log.info(place, 'new weights are live'),
  rolledBack: (place) => app.log.warn(place, 'rolled back to the weights that are live'),
  saved: ({ place, seconds }) => app.log.info({ seconds, ...place }, 'saved'),
};
const events = Object.fromEntries(
  ['trained', 'judged', 'swapped', 'rolledBack', 'saved'].map((name) => [
    name,
    (event) => {
      metrics.events[name]?.(event);
      told[name]?.(event);
    },
  ]),
);
const learner = await Learner.open({
  log,
  folder,
  threads,
  every: checkpointSeconds,
  callbacks: [callbacks.prometheus(metrics.registry, { labels: { model: 'deliveries' } })],
  events,
});
metrics.follow(learner);
const app = makeApp({ log, learner, metrics, report: () => learner.report(), token, maxBacklog, logger: { level } });
await app.listen({ host, port });

// What fails here is a fault, not a bad request: a supervisor starts the service again, and it goes on where its files are.
const learning = learner.run().catch((error) => {
  app.log.fatal(error, 'the learner failed');
  process.exit(1);
});

let ending = false;
async function end(signal) {
  if (ending) return;
  ending = true;
  app.log.info({ signal }, 'ending');
  setTimeout(() => {
    app.log.fatal('could not end in time');
    process.exit(1);
  }, GRACE).unref();
  // Requests that are under way are answered, the step that is under way is done, and its state is on the disk.
  await app.close();
  learner.stop();
  await learning;
  learner.dispose();
  log.close();
}
process.on('SIGTERM', end);
process.on('SIGINT', end);

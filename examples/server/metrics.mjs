// metrics.mjs: what Prometheus reads: Node's own metrics, requests, the learner's; those of the training come from gradclip's callback.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export function makeMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const request = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from a request to its answer',
    labelNames: ['route', 'status'],
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5],
    registers,
  });
  const learned = new Counter({ name: 'service_rows_learned_total', help: 'Rows that were learned', registers });
  const fits = new Counter({ name: 'service_fits_total', help: 'Trainings of rows that were there', registers });
  const decisions = new Counter({
    name: 'service_judgments_total',
    help: 'What became of candidates',
    labelNames: ['outcome'],
    registers,
  });
  const losses = new Gauge({ name: 'service_loss', help: 'Log loss on held-out rows', labelNames: ['weights'], registers });
  const saving = new Gauge({ name: 'service_checkpoint_seconds', help: 'What the last checkpoint took', registers });
  const saved = new Gauge({ name: 'service_checkpoint_timestamp_seconds', help: 'When it was written', registers });
  // Node's own metric of this name looks each 10 ms, and counts these 10 ms.
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const delayed = new Gauge({
    name: 'service_event_loop_delay_p99_seconds',
    help: 'How late timers were since the last scrape, 99th percentile',
    registers,
    collect() {
      this.set(Math.max(0, delay.percentile(99) / 1e9 - 0.001));
      delay.reset();
    },
  });
  delayed.set(0);
  /** Beside events of the learner. */
  const events = {
    trained: ({ rows }) => {
      fits.inc();
      learned.inc(rows);
    },
    judged: ({ candidate, live }) => {
      losses.set({ weights: 'candidate' }, candidate);
      if (Number.isFinite(live)) losses.set({ weights: 'live' }, live);
      decisions.inc({ outcome: 'judged' });
    },
    swapped: () => decisions.inc({ outcome: 'live' }),
    rolledBack: () => decisions.inc({ outcome: 'rolled back' }),
    saved: ({ seconds }) => {
      saving.set(seconds);
      saved.set(Date.now() / 1000);
    },
  };
  /** Of the learner, when somebody asks. */
  const follow = (learner) => {
    const of = (name, help, value) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    of('service_backlog_rows', 'Rows that wait to be learned', () => learner.backlog);
    of('service_last_row_id', 'The last row that was learned', () => learner.place.lastId);
    of('service_model_row_id', 'The last row that the live weights have learned', () => learner.live?.lastId ?? 0);
  };
  return { registry, request, events, follow };
}

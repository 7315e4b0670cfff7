// app.mjs: the routes. What comes in is checked by schemas before anything sees it; each answer has one too.
import { createHash, timingSafeEqual } from 'node:crypto';
import Fastify from 'fastify';
import { DELIVERY, LABELED } from './deliveries.mjs';

/** Of one request. */
const MOST_ROWS = 1000;
const MOST_BYTES = 512 * 1024;

const list = (items, maxItems) => ({ type: 'array', minItems: 1, maxItems, items });
const id = { type: 'integer', minimum: 0 };
const PREDICT = {
  body: list(DELIVERY, MOST_ROWS),
  response: {
    200: {
      type: 'object',
      required: ['late', 'model'],
      properties: {
        late: list({ type: 'number' }, MOST_ROWS),
        model: { ...id, description: 'the last row that its weights have learned' },
      },
    },
  },
};
const ROWS = {
  body: list(LABELED, MOST_ROWS),
  response: { 201: { type: 'object', required: ['last'], properties: { last: id } } },
};

/** Whether both are the same, in a time that does not tell how much of them is. */
function same(a, b) {
  const digest = (text) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

const refusal = (statusCode, message) => Object.assign(new Error(message), { statusCode });

/**
 * @param log,learner,metrics of the service
 * @param report gives the page of the training, as HTML
 * @param token that requests must have, but for those of health; null: none
 * @param maxBacklog rows that may wait to be learned
 * @param logger as Fastify takes it
 */
export function makeApp({ log, learner, metrics, report, token, maxBacklog, logger }) {
  const app = Fastify({
    logger,
    bodyLimit: MOST_BYTES,
    requestTimeout: 10_000,
    connectionTimeout: 30_000,
    // While it closes, connections that are open are answered, and told to go elsewhere.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  });
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });

  if (token !== null) {
    app.addHook('onRequest', async (request) => {
      if (request.routeOptions.config.open) return;
      const [kind, given] = (request.headers.authorization ?? '').split(' ');
      if (kind !== 'Bearer' || !given || !same(given, token))
        throw refusal(401, 'expected the header Authorization: Bearer TOKEN');
    });
  }
  app.addHook('onResponse', async (request, reply) => {
    metrics.request.observe(
      { route: request.routeOptions.url ?? 'none', status: `${Math.floor(reply.statusCode / 100)}xx` },
      reply.elapsedTime / 1000,
    );
  });

  app.post('/predict', { schema: PREDICT }, async (request) => {
    const { live } = learner;
    if (!live) throw refusal(503, 'no weights are good enough yet: send labeled rows first');
    // Nothing between these two lines waits, so they are of the same weights.
    return { late: Array.from(learner.predict(request.body)), model: live.lastId };
  });

  app.post('/rows', { schema: ROWS }, async (request, reply) => {
    if (learner.backlog > maxBacklog) {
      reply.header('retry-after', '10');
      throw refusal(503, `${learner.backlog} rows wait to be learned, and no more than ${maxBacklog} may`);
    }
    const last = log.append(request.body);
    learner.wake();
    reply.code(201);
    return { last };
  });

  // Alive: the event loop turns. Ready: it may have requests.
  app.get('/health/live', { config: { open: true }, logLevel: 'warn' }, async () => ({ status: 'ok' }));
  app.get('/health/ready', { config: { open: true }, logLevel: 'warn' }, async (_, reply) => {
    const status = closing ? 'closing' : learner.live ? 'ok' : 'no model yet';
    if (status !== 'ok') reply.code(503);
    return { status, learned: learner.place.lastId, model: learner.live?.lastId ?? null, backlog: learner.backlog };
  });

  app.get('/metrics', { logLevel: 'warn' }, async (_, reply) => {
    reply.type(metrics.registry.contentType);
    return await metrics.registry.metrics();
  });

  app.get('/report', async (_, reply) => {
    reply.type('text/html; charset=utf-8');
    reply.header(
      'content-security-policy',
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:",
    );
    return await report();
  });
  return app;
}

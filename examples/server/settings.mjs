// settings.mjs: what the environment says, checked once before anything starts.
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

/** A whole number within bounds. */
function whole(env, name, usual, [min, max]) {
  const text = env[name];
  if (text === undefined || text === '') return usual;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new Error(`${name}: expected a whole number from ${min} to ${max}, got ${JSON.stringify(text)}`);
  }
  return value;
}

/**
 * @param env the environment: PORT (8080), HOST (127.0.0.1), TOKEN, DATA (a folder, ./data), THREADS (of a training; one CPU less than there are),
 *   CHECKPOINT_SECONDS (30), MAX_BACKLOG (rows that may wait to be learned, 100,000), LOG_LEVEL (info)
 * @throws Error naming the variable that is wrong
 */
export function settings(env) {
  const host = env.HOST || '127.0.0.1';
  const token = env.TOKEN || null;
  if (token === null && !LOOPBACK.includes(host)) throw new Error(`TOKEN: expected one, since HOST ${host} is open to others`);
  if (token !== null && token.length < 16) throw new Error(`TOKEN: expected at least 16 characters, got ${token.length}`);
  return {
    host,
    port: whole(env, 'PORT', 8080, [0, 65_535]),
    token,
    folder: resolve(env.DATA || 'data'),
    threads: whole(env, 'THREADS', Math.max(1, availableParallelism() - 1), [1, 256]),
    checkpointSeconds: whole(env, 'CHECKPOINT_SECONDS', 30, [1, 86_400]),
    maxBacklog: whole(env, 'MAX_BACKLOG', 100_000, [1, 1e9]),
    level: env.LOG_LEVEL || 'info',
  };
}

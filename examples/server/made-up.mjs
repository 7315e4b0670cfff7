// made-up.mjs: deliveries that nobody has made, and a client that sends them: `node made-up.mjs http://127.0.0.1:8080 [ROWS_A_SECOND]`. What makes a delivery
// late turns slowly, so a model has to go on learning.
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { WEATHER } from './deliveries.mjs';

/** Deliveries until what makes them late is what it was. */
const PERIOD = 200_000;

/** Numbers in [0, 1) that are the same each time (mulberry32). */
function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Delivery number `i`: always the same one. */
export function delivery(i) {
  const next = random(i + 1);
  const distance = Math.round(1 + 120 * next() ** 2);
  const parcels = 1 + Math.floor(30 * next() ** 2);
  const hour = Math.floor(24 * next());
  const traffic = Math.round(100 * next()) / 100;
  const weather = WEATHER[Math.floor(3 * next())];
  const turn = Math.sin((2 * Math.PI * i) / PERIOD);
  const bad = { clear: 0, rain: 0.8 + 0.6 * turn, snow: 2 }[weather];
  const rush = hour >= 7 && hour <= 9 ? 1 + turn : 0;
  const score = 1.1 * Math.log1p(distance) - 4.5 + 0.04 * parcels + 2.5 * traffic + bad + rush;
  return { distance, parcels, hour, traffic, weather, late: next() < 1 / (1 + Math.exp(-score)) };
}

/** Without what nobody knows beforehand. */
export const asked = ({ late: _, ...known }) => known;

export const deliveries = (from, count) => Array.from({ length: count }, (_, k) => delivery(from + k));

/** Rows, a few at a time, and now and then a question. */
async function send(url, perSecond) {
  const headers = {
    'content-type': 'application/json',
    ...(process.env.TOKEN && { authorization: `Bearer ${process.env.TOKEN}` }),
  };
  const post = (path, body) => fetch(new URL(path, url), { method: 'POST', headers, body: JSON.stringify(body) });
  const size = Math.max(1, Math.round(perSecond / 10));
  for (let i = 0; ; i += size) {
    const rows = deliveries(i, size);
    const answer = await post('/rows', rows);
    if (!answer.ok) console.error(`${answer.status}: ${await answer.text()}`);
    if (i % (50 * size) === 0) {
      const { late, message } = await (await post('/predict', [asked(rows[0])])).json();
      console.log(JSON.stringify(rows[0]), late ? `predicted ${late[0].toFixed(2)}` : message);
    }
    await new Promise((resolve) => setTimeout(resolve, (1000 * size) / perSecond));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await send(process.argv[2] ?? 'http://127.0.0.1:8080', Number(process.argv[3] ?? 200));

// make.mjs: tables with texts, dates and gaps, the same on every machine: their numbers come of sums and products alone. Run: node make.mjs FOLDER
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const TOWNS = [
  'Aachen',
  'Bonn',
  'Dortmund',
  'Düren',
  'Essen',
  'Hagen',
  'Jülich',
  'Köln',
  'Leverkusen',
  'Neuss',
  'Siegen',
  'Trier',
];
const JOBS = Array.from({ length: 24 }, (_, i) => `job ${String.fromCharCode(97 + i)}`);
const PLANS = ['basic', 'family', 'premium'];

/** What each town and job does to a customer: numbers between -1 and 1 that follow no order. */
const pull = (i, n) => (((i * 7 + 3) % n) / (n - 1)) * 2 - 1;

/** Numbers in [0, 1) by xorshift32. */
function random(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A csv whose last column is to be predicted: 'stays' is a class, 'spends' a number. */
export function tableText(rows, label, seed) {
  const next = random(seed);
  const below = (n) => Math.floor(next() * n);
  // A sum of uniforms is near enough to normal.
  const normal = () => next() + next() + next() + next() + next() + next() - 3;
  const gap = (share, text) => (next() < share ? '' : text);
  const lines = [`customer_id,age,income,town,job,plan,joined,visits,noise,note,${label}`];
  for (let i = 0; i < rows; i++) {
    const [town, job, plan] = [below(TOWNS.length), below(JOBS.length), below(PLANS.length)];
    const age = 18 + below(60);
    const income = Math.round(24_000 + 900 * (age - 18) + 9000 * normal() + 6000 * pull(job, JOBS.length));
    const visits = below(12) + below(12);
    const day = below(3650);
    const joined = new Date(Date.UTC(2014, 0, 1 + day)).toISOString().slice(0, 10);
    const young = age < 30 ? 1 : 0;
    const drive =
      1.6 * pull(town, TOWNS.length) +
      0.9 * pull(job, JOBS.length) +
      (visits - 11) / 6 +
      (plan === 2 ? 1.2 : plan === 1 ? 0.2 : -0.7) * (young === 1 ? -0.6 : 1) +
      (income - 50_000) / 30_000 -
      day / 2600;
    const stays = drive + 1.1 * normal() > 0 ? 'yes' : 'no';
    const spends = (120 + 40 * drive + 0.0012 * income + 12 * normal()).toFixed(2);
    const note = `call ${below(1_000_000)}, "again"`.replaceAll('"', '""');
    lines.push(
      [
        100_000 + i,
        gap(0.06, age),
        gap(0.05, income),
        gap(0.04, TOWNS[town]),
        gap(0.03, JOBS[job]),
        PLANS[plan],
        gap(0.02, joined),
        visits,
        normal().toFixed(3),
        `"${note}"`,
        label === 'stays' ? stays : spends,
      ].join(','),
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Rows to train on, and others for the test. */
export const FILES = ['stays', 'spends'].flatMap((label) => [
  { name: `${label}.csv`, label, rows: 50_000, seed: 20_241_201 },
  { name: `${label}-test.csv`, label, rows: 20_000, seed: 20_241_202 },
]);

export function writeTables(folder) {
  for (const { name, label, rows, seed } of FILES) writeFileSync(join(folder, name), tableText(rows, label, seed));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) writeTables(process.argv[2]);

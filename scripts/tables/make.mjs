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

/** A csv of wares: which of five kinds one is follows from the numbers of a shelf, a brand of 40 and a price that is far from normal. */
export function waresText(rows, seed) {
  const next = random(seed);
  const below = (n) => Math.floor(next() * n);
  const kinds = ['book', 'food', 'garden', 'sound', 'tool'];
  const lines = ['price,weight,length,brand,shelf,added,kind'];
  for (let i = 0; i < rows; i++) {
    const [brand, shelf] = [below(40), below(30)];
    const weight = (next() + next()) * 4;
    const length = 5 + below(80);
    // A product of uniforms has a long tail.
    const price = 3 / (0.02 + next() * next());
    const day = below(1500);
    const score = kinds.map((_, k) => {
      const near = ((shelf * (k + 2)) % 11) / 11 + ((brand * (2 * k + 3)) % 17) / 17;
      const size = k === 0 ? -weight / 3 : k === 2 ? length / 40 : k === 4 ? weight / 4 : k === 3 ? price / 60 : -length / 60;
      return 2.5 * near + size + (day > 900 && k === 1 ? 0.8 : 0) + 0.9 * (next() + next() - 1);
    });
    const kind = score.indexOf(Math.max(...score));
    const added = new Date(Date.UTC(2021, 0, 1 + day)).toISOString().slice(0, 10);
    const cells = [price.toFixed(2), next() < 0.1 ? '' : weight.toFixed(2), length, `b${brand}`, `s${shelf}`, added, kinds[kind]];
    lines.push(cells.join(','));
  }
  return `${lines.join('\n')}\n`;
}

/** A csv of flats: rents are products, so their deviations grow with them, and some rows are far off. */
export function rentsText(rows, seed) {
  const next = random(seed);
  const below = (n) => Math.floor(next() * n);
  const lines = ['area,rooms,floor,year,district,lift,rent'];
  for (let i = 0; i < rows; i++) {
    const area = 20 + below(60) + below(60);
    const [floor, year, district] = [below(8), 1900 + below(124), below(25)];
    const rooms = Math.max(1, Math.round(area / 28 + next() - 0.5));
    const lift = floor > 3 && next() < 0.6 ? 'yes' : 'no';
    const age = (year - 1962) / 62;
    const each = (7 + 4 * pull(district, 25) + 3 * age * age - (floor > 3 && lift === 'no' ? 1.5 : 0)) * (0.85 + 0.3 * next());
    const rent = each * area * (next() < 0.01 ? 2.5 : 1);
    const cells = [area, next() < 0.04 ? '' : rooms, floor, next() < 0.12 ? '' : year, `d${district}`, lift, rent.toFixed(0)];
    lines.push(cells.join(','));
  }
  return `${lines.join('\n')}\n`;
}

/** A csv of few rows, of which one in six quits. */
export function quitsText(rows, seed) {
  const next = random(seed);
  const below = (n) => Math.floor(next() * n);
  const lines = ['tenure,calls,fee,contract,region,paperless,quits'];
  for (let i = 0; i < rows; i++) {
    const [tenure, calls, contract, region] = [below(72), below(6) * below(3), below(3), below(9)];
    const fee = 15 + 90 * next() * next();
    const drive = -2.6 - tenure / 30 + calls / 3 + (contract === 0 ? 1.4 : 0) + fee / 70 + 0.8 * pull(region, 9);
    // An odd number of uniforms stands for a logistic one.
    const quits = drive + 1.2 * (next() + next() + next() - 1.5) > 0 ? 'yes' : 'no';
    const cells = [tenure, calls, next() < 0.08 ? '' : fee.toFixed(2), ['month', 'year', 'two years'][contract], `r${region}`];
    lines.push([...cells, next() < 0.5 ? 'yes' : 'no', quits].join(','));
  }
  return `${lines.join('\n')}\n`;
}

/** Tables that defaults are chosen on: their own rows, none of which is measured elsewhere. */
export const CHOOSING = [
  { name: 'stays', text: () => tableText(8000, 'stays', 20_241_203) },
  { name: 'spends', text: () => tableText(8000, 'spends', 20_241_204) },
  { name: 'wares', text: () => waresText(6000, 20_241_205) },
  { name: 'rents', text: () => rentsText(6000, 20_241_206) },
  { name: 'quits', text: () => quitsText(1500, 20_241_207) },
];

/** Rows to train on, and others for the test. */
export const FILES = ['stays', 'spends'].flatMap((label) => [
  { name: `${label}.csv`, label, rows: 50_000, seed: 20_241_201 },
  { name: `${label}-test.csv`, label, rows: 20_000, seed: 20_241_202 },
]);

export function writeTables(folder) {
  for (const { name, label, rows, seed } of FILES) writeFileSync(join(folder, name), tableText(rows, label, seed));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) writeTables(process.argv[2]);

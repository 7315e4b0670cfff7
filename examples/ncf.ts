// ncf.ts: recommend items to users who took others: neural collaborative filtering on made-up feedback of a million events (ncf-data.ts), against
// recommending what is popular. Tables are updated whole, or with --sparse the rows of each batch alone.
// Run: npm run -s build:ts && node dist/examples/ncf.js [--sparse]
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { metrics, models, optim, Trainer } from 'gradclip';
import { type Feedback, feedback } from './ncf-data.ts';
import { random } from './random.ts';

export interface NCFExample {
  readonly users?: number;
  readonly items?: number;
  /** Items that each user takes; one of them is left out to be found again. */
  readonly each?: number;
  readonly epochs?: number;
  readonly sparse?: boolean;
  readonly seed?: number;
}
export interface NCFScores {
  /** Share of users whose item that was left out is among the first 10, among it and 99 drawn at random that they did not take. */
  readonly ncf: number;
  readonly popularity: number;
  /** Area under the ROC curve over all these pairs. */
  readonly auc: number;
  readonly secondsPerEpoch: number;
}

const NEGATIVES = 2; // drawn for each event, anew in each epoch
const CANDIDATES = 100;

/** Train, print and give what is found. */
export async function main(options: NCFExample = {}): Promise<NCFScores> {
  const { users = 10_000, items = 2000, each = 101, epochs = 3, sparse = false, seed = 1 } = options;
  const data = feedback({ users, items, each, seed });
  const trainer = new Trainer({
    model: new models.NCF({ users, items, dim: 32, hidden: [64, 32], sparse }),
    loss: models.ncfLoss,
    predict: ({ user, item }, model) => model.forward(user!, item!),
    optimizer: optim.adam({ lr: 5e-3 }),
    batchSize: 1024,
    seed,
  });
  const started = performance.now();
  for (let epoch = 0; epoch < epochs; epoch++) {
    const result = await trainer.fit(pairs(data, seed + 1 + epoch), { epochs: 1 });
    console.log(`epoch ${epoch + 1}: loss ${result.epochs[0]!.loss.toFixed(4)}`);
  }
  const secondsPerEpoch = (performance.now() - started) / 1000 / epochs;
  const asked = candidates(data, seed);
  const scores = (await trainer.predict(asked, { batchSize: 4096 })).data;
  const hit = new metrics.TopK({ k: 10 });
  const auc = new metrics.ROCAUC();
  const last = new Int32Array(users).fill(CANDIDATES - 1); // the item left out: equal scores of others count as better
  const ncf = hit.update(scores, last).result();
  const popular = Float64Array.from(asked.item, (i) => data.popularity[i]!);
  const popularity = hit.reset().update(popular, last).result();
  auc.update(
    scores,
    Array.from(scores, (_, i) => Number(i % CANDIDATES === CANDIDATES - 1)),
  );
  const found = { ncf, popularity, auc: auc.result(), secondsPerEpoch };
  const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
  console.log(
    `hit rate at 10 among ${CANDIDATES}: ncf ${percent(ncf)}, popularity ${percent(popularity)}; AUC ${found.auc.toFixed(3)}`,
  );
  console.log(`${secondsPerEpoch.toFixed(1)} s an epoch, ${sparse ? 'rows of the batch' : 'whole tables'} updated`);
  trainer.dispose();
  return found;
}

/** Every event, and for each NEGATIVES items that the user did not take. */
function pairs({ users, items, taken }: Feedback, seed: number): { user: Int32Array; item: Int32Array; y: Float32Array } {
  const next = random(seed);
  const per = (1 + NEGATIVES) * (taken[0]!.length - 1);
  const all = { user: new Int32Array(users * per), item: new Int32Array(users * per), y: new Float32Array(users * per) };
  let at = 0;
  for (const [u, list] of taken.entries()) {
    const own = new Set(list);
    for (const i of list.subarray(0, -1)) {
      for (let k = 0; k <= NEGATIVES; k++) {
        all.user[at] = u;
        all.item[at] = k === 0 ? i : another(own, items, next);
        all.y[at++] = Number(k === 0);
      }
    }
  }
  return all;
}

/** Per user items that were not taken, and then the one left out. */
function candidates({ users, items, taken }: Feedback, seed: number): { user: Int32Array; item: Int32Array } {
  const next = random(seed + 7919);
  const user = Int32Array.from({ length: users * CANDIDATES }, (_, k) => Math.floor(k / CANDIDATES));
  const item = new Int32Array(user.length);
  for (const [u, list] of taken.entries()) {
    const seen = new Set(list);
    item[(u + 1) * CANDIDATES - 1] = list.at(-1)!;
    for (let k = 0; k < CANDIDATES - 1; k++) {
      item[u * CANDIDATES + k] = another(seen, items, next);
      seen.add(item[u * CANDIDATES + k]!);
    }
  }
  return { user, item };
}

function another(not: ReadonlySet<number>, items: number, next: () => number): number {
  for (;;) {
    const i = Math.floor(next() * items);
    if (!not.has(i)) return i;
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) await main({ sparse: argv.includes('--sparse') });

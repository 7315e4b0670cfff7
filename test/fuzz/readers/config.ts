// config.ts: configurations, and the data that they name.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeAugment, makeBeside, makeOptimizer, makePolicy, makeTransforms } from '../../../lib/cli/config/build.ts';
import { checkConfig, readConfig, type TrainConfig } from '../../../lib/cli/config/config.ts';
import { readData, shareOut } from '../../../lib/cli/config/data.ts';
import { applied, checkSpace, defaultSpace, type RawConfig, standing } from '../../../lib/cli/config/tuning.ts';
import { Place } from '../../../lib/options/index.ts';
import { valueAt } from '../../../lib/tune/space.ts';
import type { Random } from '../../torture/random.ts';
import { havoc, other } from '../make/bytes.ts';
import { config, type DataType, dataOf } from '../make/configs.ts';
import { damaged, perhapsGzipped } from '../make/damaged.ts';
import { FILES } from '../make/files.ts';
import { disturbedJson } from '../make/json.ts';
import { joined } from '../make/parts.ts';
import { disturbed } from '../make/text.ts';
import type { Drawn, Input, Reader } from '../spec.ts';

function draw(r: Random): Drawn {
  const value = config(r);
  const text = JSON.stringify(value, null, r.pick([0, 2]));
  const kind = r.unit();
  const files = (bytes: string | Uint8Array): Drawn => ({ files: { 'a.json': Buffer.from(bytes) }, options: {} });
  if (kind < 0.2) {
    const { model, data, optimizer, batchSize, epochs = null, steps = null, seed } = value as Record<string, { type: string }>;
    return { ...files(text), expects: [model!.type, data!.type, optimizer!.type, batchSize, epochs, steps, seed] };
  }
  if (kind < 0.75) return files(disturbedJson(r, value));
  if (kind < 0.9) return files(Buffer.from(disturbed(r, text), 'latin1'));
  return files(r.chance(0.3) ? other(r) : havoc(r, Buffer.from(text)));
}

const plain = ({ model, data, optimizer, batchSize, epochs, steps, seed }: TrainConfig): unknown => [
  ...[model.type, data.type, optimizer.type, batchSize, epochs, steps, seed],
];

/** What `train` makes of a configuration before it reads data. */
function made(config: TrainConfig, file: string): void {
  makePolicy(config.clip);
  makeOptimizer(config.optimizer, config.schedule);
  makeBeside(config);
  makeAugment(config);
  makeTransforms(config);
  if (!config.tune) return;
  // And `tune`, with its first trials.
  const raw = JSON.parse(readFileSync(file, 'utf8')) as RawConfig;
  const space = config.tune.space ?? defaultSpace(raw, new Place('', '', 'tune.space'));
  checkSpace(raw, space);
  for (const u of [0, 0.4, 0.99]) {
    const params = Object.fromEntries(Object.entries(space).map(([path, domain]) => [path, valueAt(domain, u)]));
    checkConfig(applied(raw, space, params).raw);
  }
  checkConfig(applied(raw, space, standing(raw, space)).raw);
}

export const CONFIG: Reader = {
  covers: ['gradclip train', 'gradclip tune'],
  reaches: ['cli/config/config.ts', 'io/json-file.ts'],
  draw,
  ways: (_, folder) => [
    {
      name: 'readConfig',
      async run() {
        const read = await readConfig(join(folder, 'a.json'));
        made(read, join(folder, 'a.json'));
        return plain(read);
      },
    },
  ],
};

const TYPES = Object.keys(FILES) as DataType[];

function drawData(r: Random): Drawn {
  const type = r.pick(TYPES);
  const names = Object.keys(FILES[type]);
  const whole = r.chance(0.2);
  const broken = whole ? null : r.pick(names);
  const files = names.map((name) => {
    const parts = FILES[type][name]!;
    const bytes = name === broken ? damaged(r, parts) : joined(parts);
    return [name, type === 'npz' ? bytes : perhapsGzipped(r, bytes, name === broken)] as const;
  });
  const split = r.pick([
    {},
    { split: { train: r.pick([1, 0.1, 0.9, 100]), validation: r.pick([0, 1, 0.5]), order: r.pick(['file', 'seed']) } },
  ]);
  return { files: Object.fromEntries(files), options: { type, ...(!whole && split) }, ...(whole && { expects: true }) };
}

async function shared({ options }: Input, folder: string): Promise<unknown> {
  const { type, ...more } = options as { readonly type: DataType };
  const model = type === 'text' ? { type: 'charRnn', embedding: 2, hidden: 2 } : { type: 'mlp', sizes: [4, 2] };
  const checked = checkConfig({ data: { ...dataOf(type), ...more }, model, optimizer: { type: 'sgd', lr: 1 }, steps: 1 });
  const raw = await readData(checked.data, folder, { type: 'i32', classes: type === 'text' ? null : 2 });
  const { counts } = shareOut(raw, makeTransforms(checked), 1n);
  return counts.train > 0;
}

export const DATA: Reader = {
  covers: ['gradclip train', 'gradclip tune'],
  reaches: ['cli/config/data.ts'],
  draw: drawData,
  ways: (input, folder) => [{ name: 'readData', run: () => shared(input, folder) }],
};

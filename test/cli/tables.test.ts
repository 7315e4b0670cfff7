// tables.test.ts: a table with texts, dates and gaps, from its file to a model and to what that is worth: init, train, predict, evaluate.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { main } from '../../lib/cli/cli.ts';
import { DataError } from '../../lib/errors.ts';
import { loadTrainer } from '../../lib/public/trained.ts';
import { folder, idx, npz, run } from './kit.ts';

/** Rows whose label follows from town and age, with gaps. */
const rows = Array.from({ length: 400 }, (_, i) => {
  const town = ['Bonn', 'Köln', 'Trier'][i % 3]!;
  const age = 18 + ((i * 37) % 50);
  const day = new Date(Date.UTC(2020, 0, 1 + ((i * 11) % 700))).toISOString().slice(0, 10);
  const good = (town === 'Bonn' ? 20 : 0) + age > 50;
  return {
    id: i,
    age: i % 13 === 5 ? '' : String(age),
    town: i % 29 === 7 ? 'NA' : town,
    since: day,
    spends: (age * 3 + (town === 'Köln' ? 200 : 0)).toFixed(1),
    good: good ? 'yes' : 'no',
  };
});
type Name = keyof (typeof rows)[number];
const csv = (names: readonly Name[], of = rows): string =>
  [names.join(','), ...of.map((row) => names.map((name) => row[name]).join(','))].join('\n');
const NAMES: readonly Name[] = ['id', 'age', 'town', 'since', 'good'];

const config = {
  data: {
    type: 'table',
    file: 't.csv',
    label: 'good',
    columns: { id: 'ignore', since: { type: 'date', parts: ['days'] } },
    split: { train: 260, validation: 60, order: 'seed', stratify: true },
  },
  model: { type: 'mlp', hidden: [16] },
  optimizer: { type: 'adamw', lr: 0.02 },
  batchSize: 32,
  epochs: 25,
  save: 'm.safetensors',
};

async function trained(change: object = {}, files: Record<string, string> = {}): Promise<[string, Record<string, unknown>]> {
  const cwd = folder({ 't.csv': csv(NAMES), 'c.json': JSON.stringify({ ...config, ...change }), ...files });
  const ran = await run(['train', '--json', 'c.json'], { cwd });
  expect(ran.code, ran.stderr).toBe(0);
  return [cwd, ran.json().at(-1)!];
}

describe('train and predict', () => {
  it('classes by name, columns in any order with others beside them, gaps and all', async () => {
    const [cwd, { testAccuracy }] = await trained({}, { 'other.csv': csv(['good', 'since', 'town', 'spends', 'age']) });
    expect(testAccuracy).toBeGreaterThan(0.9);
    const { code, stdout, stderr } = await run(['predict', 'm.safetensors', 'other.csv'], { cwd });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines.every((line) => /^(yes|no) [01]\.\d{4}$/.test(line))).toBe(true);
    expect(lines.filter((line, i) => line.startsWith(rows[i]!.good)).length).toBeGreaterThan(370);
    const json = (await run(['predict', '--json', 'm.safetensors', 'other.csv'], { cwd })).json();
    expect(json.map((row) => row.class)).toEqual(lines.map((line) => line.split(' ')[0]));
  });

  it('the statistics are those of the rows that train, whatever the others are', async () => {
    const split = { train: 260, validation: 60 };
    const data = { ...config.data, split };
    const [one] = await trained({ data, epochs: 1 });
    const wild = rows.map((row, i) => (i < 260 ? row : { ...row, age: String(Number(row.age || 0) * 1000) }));
    const [other] = await trained({ data, epochs: 1 }, { 't.csv': csv(NAMES, wild) });
    const schema = async (cwd: string): Promise<string> => {
      const { metadata } = (await run(['inspect', '--json', 'm.safetensors'], { cwd })).json()[0] as never;
      return metadata['gradclip.preprocess'];
    };
    expect(await schema(one)).toBe(await schema(other));
    expect(JSON.parse(await schema(one)).x.columns[0]).toEqual({ name: 'age', type: 'number', required: false });
  });

  it('values, told in the units of the file', async () => {
    const names: readonly Name[] = ['age', 'town', 'spends'];
    const change = {
      data: { type: 'table', file: 't.csv', label: 'spends', split: { train: 260, validation: 60, order: 'seed' } },
      loss: 'mse',
      preprocess: { y: [{ type: 'standardize' }] },
      epochs: 60,
    };
    const [cwd, last] = await trained(change, {
      't.csv': csv(
        names,
        rows.filter((row) => row.age !== '' && row.town !== 'NA'),
      ),
    });
    expect(last.testR2).toBeGreaterThan(0.95);
    expect(last.testRmse).toBeLessThan(25);
    const json = (await run(['evaluate', '--json', 'm.safetensors', 't.csv'], { cwd })).json()[0] as Record<string, unknown>;
    expect(json).toMatchObject({ event: 'evaluation', lossName: 'mse', classes: null });
    const told = (await run(['predict', '--json', 'm.safetensors', 't.csv'], { cwd })).json().map(({ value }) => value as number);
    const labels = rows.filter((row) => row.age !== '' && row.town !== 'NA').map((row) => Math.fround(Number(row.spends)));
    const off = told.map((value, i) => value - labels[i]!);
    const { rmse, mae, r2 } = json.values as Record<string, number>;
    expect(rmse).toBeCloseTo(Math.sqrt(off.reduce((s, d) => s + d * d, 0) / off.length), 8);
    expect(mae).toBeCloseTo(off.reduce((s, d) => s + Math.abs(d), 0) / off.length, 8);
    const mean = labels.reduce((a, b) => a + b, 0) / labels.length;
    const spread = labels.reduce((s, y) => s + (y - mean) ** 2, 0);
    expect(r2).toBeCloseTo(1 - off.reduce((s, d) => s + d * d, 0) / spread, 8);
  });

  it('a category that no row that trains has is an error, or counted', async () => {
    const strange = csv(['age', 'town', 'since'], [{ ...rows[0]!, town: 'Rom' }, rows[1]!]);
    const [cwd] = await trained({}, { 's.csv': strange });
    const failed = await run(['predict', 'm.safetensors', 's.csv'], { cwd });
    expect(failed.code).toBe(4);
    expect(failed.stderr).toMatch(/s\.csv:2: column 2 \(town\): expected one of Bonn, Köln, Trier, got "Rom"/);
    const [there] = await trained({ data: { ...config.data, unknown: 'ignore' } }, { 's.csv': strange });
    const told = await run(['predict', '--json', 'm.safetensors', 's.csv'], { cwd: there });
    expect(told.stderr).toMatch(/warning: .*s\.csv: 1 cell of column town that the rows which train do not have: Rom/);
    expect(told.json().map(({ unknown }) => unknown)).toEqual([['town'], undefined]);
  });

  it('many categories have a vector each', async () => {
    const shops = Array.from({ length: 600 }, (_, i) => ({ shop: `s${(i * 7) % 60}`, n: (i * 13) % 10 }));
    const lines = shops.map(({ shop, n }) => `${shop},${n},${(Number(shop.slice(1)) * 5) % 3 === 0 ? 'a' : 'b'}`);
    const data = {
      ...{ type: 'table', file: 't.csv', label: 'kind', columns: { shop: { type: 'category', encode: 'index' } } },
      ...{ unknown: 'ignore', split: { train: 400, order: 'seed' } },
    };
    const files = { 't.csv': ['shop,n,kind', ...lines].join('\n'), 'new.csv': 'n,shop\n1,s3\n1,elsewhere\n' };
    const [cwd, last] = await trained({ data }, files);
    expect(last.testAccuracy).toBeGreaterThan(0.95);
    const told = (await run(['predict', '--json', 'm.safetensors', 'new.csv'], { cwd })).json();
    expect(told).toMatchObject([{ class: 'a' }, { unknown: ['shop'] }]);
    const { tensors } = (await run(['inspect', '--json', 'm.safetensors'], { cwd })).json()[0] as {
      tensors: { name: string; shape: number[] }[];
    };
    expect(tensors.find(({ name }) => name === 'embeddings.0.weight')!.shape).toEqual([61, 31]);
    const wide = await run(['train', 'c.json'], {
      cwd: folder({ ...files, 'c.json': JSON.stringify({ ...config, data, model: { type: 'mlp', sizes: [2, 2] } }) }),
    });
    expect(wide.stderr).toMatch(/data\.columns\.shop\.encode: expected oneHot, but for a model mlp with hidden/);
  });

  it('weights of rows, a test file of its own, and words for missing cells', async () => {
    const half = rows.slice(0, 200).map((row, i) => ({ ...row, id: i % 2, town: row.town === 'NA' ? 'unknown' : row.town }));
    const data = {
      ...{ type: 'table', file: 't.csv', testFile: 'u.csv', label: 'good', weight: 'id', missing: ['', 'unknown'] },
      ...{ columns: { since: 'date' }, split: { validation: 20 } },
    };
    const [cwd, last] = await trained({ data }, { 't.csv': csv(NAMES, half), 'u.csv': csv(NAMES, half) });
    expect(last.testAccuracy).toBeGreaterThan(0.8);
    const found = (await run(['evaluate', '--json', 'm.safetensors', 'u.csv'], { cwd })).json()[0] as Record<string, unknown>;
    expect(found.loss).toBeCloseTo(last.testLoss as number, 5);
    expect((found.classes as { accuracy: number }).accuracy).toBeCloseTo(last.testAccuracy as number, 6);
  });

  it('says what is wrong', async () => {
    const [cwd] = await trained(
      { epochs: 1 },
      { 'less.csv': csv(['town', 'since']), 'near.csv': csv(NAMES).replace('age', 'Age') },
    );
    const failed = async (argv: string[], where = cwd): Promise<[number, string]> => {
      const { code, stderr } = await run(argv, { cwd: where });
      return [code, stderr];
    };
    expect(await failed(['predict', 'm.safetensors', 'less.csv'])).toEqual([
      4,
      expect.stringMatching(/less\.csv: no column "age"/),
    ]);
    expect(await failed(['predict', 'm.safetensors', 'near.csv'])).toEqual([
      4,
      expect.stringMatching(/no column "age"; did you mean Age\?/),
    ]);
    expect(await failed(['predict', 'm.safetensors', 't.csv', '--drop', 'good'])).toEqual([
      2,
      expect.stringMatching(/none needs to be left out/),
    ]);
    expect(await failed(['evaluate', 'm.safetensors', 'less.csv'])).toEqual([4, expect.stringMatching(/no column "(age|good)"/)]);
    const train = (change: object, text = csv(NAMES)): Promise<[number, string]> =>
      failed(['train', 'c.json'], folder({ 't.csv': text, 'c.json': JSON.stringify({ ...config, ...change }) }));
    const data = (change: object): object => ({ data: { ...config.data, ...change } });
    expect(await train(data({ label: 'god' }))).toEqual([2, expect.stringMatching(/no column "god"; did you mean good\?/)]);
    expect(await train(data({ columns: { town: 'number' } }))).toEqual([
      4,
      expect.stringMatching(/t\.csv:\d+: column 3 \(town\): expected a number/),
    ]);
    expect(await train(data({ columns: { town: 'categry' } }))).toEqual([
      2,
      expect.stringMatching(/data\.columns\.town\.type: .*did you mean category\?/),
    ]);
    expect(await train(data({ columns: { good: 'category' } }))).toEqual([
      2,
      expect.stringMatching(/data\.columns\.good: expected nothing/),
    ]);
    expect(await train({ preprocess: { type: 'standardize' } })).toEqual([
      2,
      expect.stringMatching(/preprocess\.x: expected nothing for a table/),
    ]);
    expect(await train({ model: { type: 'mlp' } })).toEqual([
      2,
      expect.stringMatching(/model\.sizes: expected sizes, or hidden/),
    ]);
    expect(await train({ model: { type: 'mlp', sizes: [3, 2] } })).toEqual([
      2,
      expect.stringMatching(/model\.sizes\[0\]: expected \d+, the values in a row/),
    ]);
    expect(await train({ model: { type: 'lenet' } })).toEqual([
      2,
      expect.stringMatching(/lenet does not read data of type table/),
    ]);
    expect(await train({}, csv(NAMES).replace(/yes|no/, ''))).toEqual([
      4,
      expect.stringMatching(/t\.csv:2: column 5 \(good\): expected one of no, yes as label, got nothing/),
    ]);
  });
});

describe('errors of cells', () => {
  const lines = csv(NAMES).split('\n');
  /** An empty line and a cell of two lines before the row that is changed. */
  const spoiled = (at: number, line: string): string =>
    [...lines.slice(0, 3), '', '"50\n0",20,Bonn,2020-01-01,no', ...lines.slice(3, at), line, ...lines.slice(at + 1)].join('\n');
  const failed = async (text: string, change: object = {}): Promise<string> => {
    const cwd = folder({ 't.csv': text, 'c.json': JSON.stringify({ ...config, ...change }) });
    const { code, stderr } = await run(['train', 'c.json'], { cwd });
    expect(code).toBe(4);
    return stderr;
  };
  const data = (change: object): object => ({ data: { ...config.data, ...change } });

  it('name line, column and cell, wherever their row is used', async () => {
    const split = { train: 260, validation: 60 };
    // Line 21 of the file as it was: three more come before it.
    const day = spoiled(20, '9,30,Bonn,soon,yes');
    expect(await failed(day)).toMatch(/t\.csv:24: column 4 \(since\): expected a date such as 2024-12-31, got "soon"/);
    const dated = spoiled(20, '9,30,Bonn,31.12.2020,yes');
    expect(await failed(dated)).toMatch(/t\.csv:24: .*got "31\.12\.2020"; it is one by order 'dmy', which data\.columns says/);
    expect(await failed(day, data({ columns: { ...config.data.columns, since: { type: 'date', missing: 'error' } } }))).toMatch(
      /t\.csv:24: column 4 \(since\)/,
    );
    const gap = data({ columns: { ...config.data.columns, age: { type: 'number', missing: 'error' } }, split });
    expect(await failed(csv(NAMES), gap)).toMatch(/t\.csv:7: column 2 \(age\): expected a number, got nothing/);
    expect(await failed(spoiled(20, '9,30,Bonn,2020-01-01,'))).toMatch(
      /t\.csv:24: column 5 \(good\): expected one of no, yes as label/,
    );
    const beyond = `${lines.join('\n')}\n9,30,Rom,2020-01-01,yes`;
    expect(await failed(beyond, data({ split }))).toMatch(/t\.csv:402: column 3 \(town\): expected one of .*, got "Rom"/);
    const weighed = [...lines.slice(0, 20), '-3,30,Bonn,2020-01-01,yes', ...lines.slice(20)].join('\n');
    const weight = data({ weight: 'id', columns: { since: 'date' } });
    expect(await failed(weighed, weight)).toMatch(/t\.csv:21: column 1 \(id\): expected a weight >= 0, got -3/);
    const comma = await failed(
      spoiled(20, '9,"30,5",Bonn,2020-01-01,yes'),
      data({ columns: { ...config.data.columns, age: 'number' } }),
    );
    expect(comma).toMatch(/t\.csv:24: column 2 \(age\): expected a number, got "30,5"; option decimal ',' reads decimal commas/);
  });

  it('numbers and dates in other forms are no categories in silence', async () => {
    const table = (cells: readonly string[]): string =>
      ['a;y', ...cells.map((cell, i) => `${cell};${i % 2 === 0 ? 'yes' : 'no'}`)].join('\n');
    const small = { data: { type: 'table', file: 't.csv', label: 'y', split: { train: 3 } } };
    expect(await failed(table(['1,5', '2,25', '3', '4,5']), small)).toMatch(
      /t\.csv: column a: its texts are numbers with a decimal comma, such as "1,5": data\.decimal ',' reads them; 'category' in data\.columns takes/,
    );
    expect(await failed(table(['1.4.1987', '12.9.2004', '30.6.1961', '1.1.2001']), small)).toMatch(
      /its texts are dates with the day first, such as "1\.4\.1987": \{ type: 'date', order: 'dmy' \} in data\.columns reads them/,
    );
  });
});

describe('evaluate', () => {
  it('classes: figures by class and the matrix, as plain loops over predictions have them; a page', async () => {
    const [cwd, last] = await trained({});
    const { code, stdout, stderr } = await run(['evaluate', 'm.safetensors', 't.csv', '--html', 'p.html'], { cwd });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^400 rows: crossEntropy \S+, accuracy \d\d\.\d\d %\narea under the ROC curve \d\.\d{3}\n/);
    const told = (await run(['predict', '--json', 'm.safetensors', 't.csv'], { cwd })).json().map((row) => row.class as string);
    const [found] = (await run(['evaluate', '--json', 'm.safetensors', 't.csv'], { cwd })).json() as [Record<string, never>];
    const of = (is: string, taken: string): number => rows.filter((row, i) => row.good === is && told[i] === taken).length;
    const { matrix, accuracy, classes } = found.classes as unknown as {
      matrix: number[][];
      accuracy: number;
      classes: Record<string, number>[];
    };
    expect(matrix).toEqual([
      [of('no', 'no'), of('no', 'yes')],
      [of('yes', 'no'), of('yes', 'yes')],
    ]);
    expect(accuracy).toBeCloseTo((of('no', 'no') + of('yes', 'yes')) / 400, 12);
    expect(classes[1]).toMatchObject({ name: 'yes', rows: rows.filter((row) => row.good === 'yes').length });
    expect(classes[1]!.precision).toBeCloseTo(of('yes', 'yes') / (of('yes', 'yes') + of('no', 'yes')), 12);
    expect(last.testLoss).toBeGreaterThan(0);
    const page = readFileSync(join(cwd, 'p.html'), 'utf8');
    expect(page).toContain('<svg class="heat"');
    expect(page).toContain('Which is taken for which');
    expect(page).not.toMatch(/<script|https?:/);
  });

  it('the other kinds of data: csv, npz, images with a file of labels; one logit', async () => {
    const xs = Array.from({ length: 60 }, (_, i) => [i % 7, (i * 5) % 11]);
    const ys = xs.map(([a, b]) => (a! > b! ? 1 : 0));
    const files = {
      't.csv': xs.map((x, i) => `${[...x, ys[i]].join(',')}\n`).join(''),
      't.npz': npz({ x: [[60, 2], Float32Array.from(xs.flat())], y: [[60], Int32Array.from(ys)] }),
      'x.idx': idx([60, 2], Uint8Array.from(xs.flat())),
      'y.idx': idx([60], Uint8Array.from(ys)),
    };
    const common = { optimizer: { type: 'adamw', lr: 0.05 }, epochs: 20, save: 'm.safetensors', batchSize: 8 };
    const kinds: [object, string[], object][] = [
      [{ type: 'csv', file: 't.csv', split: { train: 60 } }, ['t.csv'], {}],
      [{ type: 'npz', file: 't.npz', split: { train: 60 } }, ['t.npz'], {}],
      [{ type: 'idx', images: 'x.idx', labels: 'y.idx', split: { train: 60 } }, ['x.idx', '--labels', 'y.idx'], {}],
      [{ type: 'csv', file: 't.csv', split: { train: 60 } }, ['t.csv'], { loss: 'bceWithLogits' }],
    ];
    for (const [data, argv, more] of kinds) {
      const cwd = folder({
        ...files,
        'c.json': JSON.stringify({ data, model: { type: 'mlp', hidden: [8] }, ...common, ...more }),
      });
      expect((await run(['train', 'c.json'], { cwd })).stderr).toBe('');
      const { code, stderr, json } = await run(['evaluate', '--json', 'm.safetensors', ...argv], { cwd });
      expect(code, stderr).toBe(0);
      const { classes, rows: n } = json()[0] as { classes: { accuracy: number; matrix: number[][] }; rows: number };
      expect(n).toBe(60);
      expect(classes.accuracy).toBeGreaterThan(0.9);
      expect(classes.matrix.flat().reduce((a, b) => a + b, 0)).toBe(60);
    }
    const cwd = folder({
      ...files,
      'c.json': JSON.stringify({ data: kinds[2]![0], model: { type: 'mlp', hidden: [8] }, ...common }),
    });
    await run(['train', 'c.json'], { cwd });
    expect((await run(['evaluate', 'm.safetensors', 'x.idx'], { cwd })).stderr).toMatch(
      /--labels: expected the file of the labels/,
    );
    expect((await run(['evaluate', 'm.safetensors', 't.csv', '--labels', 'y.idx'], { cwd })).code).toBe(4);
  });
});

it('loadTrainer: what train has written, in a program: rows with names, the same probabilities, and a training that goes on', async () => {
  const [cwd] = await trained();
  using trainer = await loadTrainer(join(cwd, 'm.safetensors'));
  const asked = rows.slice(0, 40).map(({ age, town, since }) => ({ town: town === 'NA' ? null : town, since, age }));
  const told = await trainer.predict(asked);
  const lines = (await run(['predict', '--json', 'm.safetensors', 't.csv'], { cwd })).json().slice(0, 40);
  expect(told.map((row) => row.class)).toEqual(lines.map((line) => line.class));
  for (const [i, { class: name, scores }] of told.entries())
    expect(scores![name!]).toBeCloseTo(lines[i]!.probability as number, 6);
  expect(trainer.counters.epoch).toBe(25);
  await expect(trainer.predict([{ town: 'Bonn', since: '2020-01-01' }])).rejects.toThrow(/no cell named "age"/);
  const more = {
    clip: { type: 'globalNorm', threshold: 'inf' },
    regularize: { type: 'l2', weight: 1e-4 },
    epochs: 1,
    record: 'r.jsonl',
  };
  const [there] = await trained({ ...more, ema: { decay: 0.9 }, schedule: { type: 'cosine', steps: { epochs: 2 } } });
  using again = await loadTrainer(join(there, 'm.safetensors'));
  expect(again.counters.step).toBe(9);
  const { metadata } = (await run(['inspect', '--json', 'm.safetensors'], { cwd: there })).json()[0] as {
    metadata: { config: string };
  };
  expect(JSON.parse(metadata.config).clip).toEqual([{ type: 'globalNorm', threshold: 'inf' }]);
  await expect(loadTrainer(join(cwd, 't.csv'))).rejects.toThrow(DataError);
});

describe('init, and train of a table', () => {
  const files = { 'people.csv': csv(NAMES) };

  async function init(
    argv: readonly string[],
    answers: string | null,
    cwd: string,
  ): Promise<{ code: number; out: string; err: string }> {
    const texts = { out: '', err: '' };
    const stream = (name: keyof typeof texts) => ({
      write(text: string) {
        texts[name] += text;
      },
    });
    const stdin = answers === null ? {} : { stdin: Readable.from([Buffer.from(answers)]) };
    const io = { stdout: stream('out'), stderr: stream('err'), env: {}, cwd, signal: new AbortController().signal, ...stdin };
    return { code: await main(['init', ...argv], io), ...texts };
  }

  it('what it suggests trains', async () => {
    const cwd = folder(files);
    const { code, out, err } = await init(['people.csv', '--yes'], null, cwd);
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).toMatch(/id +number +400 +left out: numbers the rows/);
    const made = JSON.parse(readFileSync(join(cwd, 'people.json'), 'utf8')) as Record<string, never>;
    expect(made).toMatchObject({
      data: {
        ...{ type: 'table', file: 'people.csv', label: 'good', unknown: 'ignore' },
        columns: { id: 'ignore', age: { type: 'number', missing: 'median' }, town: 'category', since: 'date' },
      },
      loss: 'crossEntropy',
    });
    const ran = await run(['train', '--json', 'people.json'], { cwd });
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.json().at(-1)!.testAccuracy).toBeGreaterThan(0.8);
    // The same without the file.
    const there = folder(files);
    const direct = await run(['train', '--json', 'people.csv'], { cwd: there });
    expect(direct.code, direct.stderr).toBe(0);
    expect(existsSync(join(there, 'people.safetensors'))).toBe(true);
    expect(direct.json().at(-1)).toMatchObject({ testAccuracy: ran.json().at(-1)!.testAccuracy });
    expect(direct.json()[0]).toMatchObject({ event: 'configuration' });
    expect((await run(['train', 'people.json', '--label', 'good'], { cwd })).code).toBe(2);
  });

  it('decimal commas, and dates as people write them', async () => {
    const table = (dates: readonly string[]): string => ['a;d;y', ...dates.map((d, i) => `${i},5;${d};${i}`)].join('\n');
    const suggested = async (text: string): Promise<Record<string, unknown>> => {
      const { out, err, code } = await init(['t.csv', '--yes', '--json'], null, folder({ 't.csv': text }));
      expect(code, err).toBe(0);
      return (JSON.parse(out) as { config: { data: Record<string, unknown> } }).config.data;
    };
    expect(await suggested(table(['31.12.2020', '1.2.2021', '']))).toMatchObject({
      decimal: ',',
      columns: { a: 'number', d: { type: 'date', order: 'dmy', missing: 'median' } },
    });
    expect(await suggested(table(['12/31/2020', '1/2/2021', '1/3/2021']))).toMatchObject({
      columns: { d: { type: 'date', order: 'mdy' } },
    });
    expect(await suggested(table(['1.2.2020', '2.2.2021', '3.2.2021']))).toMatchObject({ columns: { d: { order: 'dmy' } } });
    expect(await suggested(table(['1/2/2020', '2/2/2021', '3/2/2021']))).toMatchObject({ columns: { d: 'ignore' } });
    // Commas within quotes beside commas that part columns; and of three decimals nothing tells them from thousands.
    const quoted = ['a,b,y', ...['1,5', '2,25', '3,0'].map((a, i) => `"${a}",${i},${i}`)].join('\n');
    expect(await suggested(quoted)).toMatchObject({ columns: { a: 'ignore', b: 'number' } });
    const large = ['a;b;y', ...['1,500', '2,250', '950'].map((a, i) => `${a};${i}.5;${i}`)].join('\n');
    expect(await suggested(large)).toMatchObject({ columns: { a: 'ignore', b: 'number' } });
    const label = await init(['t.csv', '--yes', '--label', 'a'], null, folder({ 't.csv': large }));
    expect([label.code, label.err]).toEqual([
      4,
      expect.stringMatching(/t\.csv: column a: numbers of which nothing tells decimal commas from thousands/),
    ]);
  });

  it('answers, wrong ones asked again, of who has no more to say what is suggested', async () => {
    const cwd = folder({ 'people.csv': csv([...NAMES, 'spends']) });
    const { code, out, err } = await init(['people.csv'], 'spent\nspends\n\nid, good\n0.9\n0.2\n', cwd);
    expect(err).toBe('');
    expect(out).toMatch(/init: no column "spent"; did you mean spends\?/);
    expect(out).toMatch(/expected a part above 0 and below 0\.5, got "0\.9"/);
    expect(code).toBe(0);
    const made = JSON.parse(readFileSync(join(cwd, 'people.json'), 'utf8')) as Record<string, never>;
    expect(made).toMatchObject({
      data: { label: 'spends', columns: { id: 'ignore', good: 'ignore' }, split: { validation: 0.2, test: 0.2 } },
      loss: 'mse',
    });
    const again = await init(['people.csv', '--yes'], null, cwd);
    expect([again.code, again.err]).toEqual([
      2,
      expect.stringMatching(/people\.json is there already; --out names another file/),
    ]);
    expect((await init(['people.csv', '--yes', '--out', 'b.json'], null, cwd)).code).toBe(0);
    expect((await init(['people.csv'], 'nothing\n', cwd)).code).toBe(2);
  });

  it('says what is wrong', async () => {
    const cwd = folder({ ...files, 'gaps.csv': 'a,b\n1,x\n2,\n', 'same.csv': 'a,b\n1,x\n2,x\n', 'numbers.csv': '1,2\n3,4\n' });
    const failed = async (...argv: string[]): Promise<[number, string]> => {
      const { code, err } = await init([...argv, '--yes'], null, cwd);
      return [code, err];
    };
    expect(await failed('gaps.csv', '--label', 'b')).toEqual([
      4,
      expect.stringMatching(/gaps\.csv: column b: 1 rows have no label/),
    ]);
    expect(await failed('same.csv', '--label', 'b')).toEqual([
      4,
      expect.stringMatching(/column b: all rows have the same label/),
    ]);
    expect(await failed('numbers.csv')).toEqual([4, expect.stringMatching(/expected names of columns, got numbers/)]);
    expect(await failed('people.csv', '--label', 'goed')).toEqual([
      2,
      expect.stringMatching(/no column "goed"; did you mean good\?/),
    ]);
    const few = folder({ 'few.csv': 'a,b\n1,x\n2,y\n3,x\n', 'fewer.csv': 'a,b\n1,x\n2,y\n' });
    expect((await init(['fewer.csv', '--yes'], null, few)).err).toMatch(/expected at least 3 rows, some to train on/);
    expect((await init(['few.csv'], '\n\n\n0.1\n', few)).out).toMatch(/"0\.1" of 3 rows is none/);
    const trained = await run(['train', 'few.csv'], { cwd: few });
    expect(trained.code, trained.stderr).toBe(0);
    expect(await failed('no.csv')).toEqual([4, expect.stringMatching(/no such file/)]);
  });
});

// foreign.test.ts: weights of others: under other names, transposed, in several files with an index.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointError, DataError, io, OptionError } from '../../../lib/index.ts';
import { bits, classifier, MLP, points, tied } from '../models.ts';

type TensorData = io.TensorData;
const folder = mkdtempSync(join(tmpdir(), 'gradclip-foreign-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
const data = points(40);
const other = classifier({ seed: 9 });
const weights = other.readParametersSync();
const named = (change: (name: string) => string): Map<string, TensorData> =>
  new Map([...weights].map(([name, t]) => [change(name), t]));
const turned = ({ dtype, shape, data }: TensorData): TensorData => {
  const [rows, columns] = shape as [number, number];
  const out = data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!);
  return { dtype, shape: [columns, rows], data: out };
};

describe('rename', () => {
  it.each([
    ['a prefix that goes', (name: string) => `module.${name}`, { 'module.': '' }],
    [
      'layers of other names',
      (name: string) => name.replace('fc1', 'l.0').replace('fc2', 'l.1'),
      { 'l.0.': 'fc1.', 'l.1.': 'fc2.' },
    ],
    [
      'the longest prefix counts',
      (name: string) => name.replace('fc1.', 'a.').replace('fc2.', 'a.b.'),
      { 'a.': 'fc1.', 'a.b.': 'fc2.' },
    ],
    ['a function', (name: string) => name.toUpperCase(), (name: string) => name.toLowerCase()],
  ] as const)('%s', async (_, change, rename) => {
    await io.writeSafetensors(at('named'), named(change));
    const trainer = classifier();
    await trainer.fit(data, { steps: 2 });
    expect(await trainer.load(at('named'), { rename })).toEqual({ missing: [], extra: [] });
    expect(await bits(trainer)).toBe(await bits(other));
    expect(trainer.counters.step).toBe(0);
  });

  it('null leaves out, and what is missing then is listed', async () => {
    const trainer = classifier();
    await io.writeSafetensors(at('named'), new Map([...named((n) => n), ['head.weight', weights.get('fc2.bias')!]]));
    await expect(trainer.load(at('named'))).rejects.toThrow('extra head.weight');
    expect(await trainer.load(at('named'), { rename: { 'head.': null } })).toEqual({ missing: [], extra: [] });
    const rename = (name: string): string | null => (name.startsWith('fc1') ? null : name);
    await expect(trainer.load(at('named'), { rename })).rejects.toThrow(CheckpointError);
    expect((await trainer.load(at('named'), { rename, strict: false })).missing).toEqual(['fc1.weight', 'fc1.bias']);
  });

  it('of a checkpoint with all state, its weights', async () => {
    const trained = classifier();
    await trained.fit(data, { steps: 3 });
    const bytes = await trained.save();
    const trainer = classifier({ seed: 4 });
    await trainer.load(bytes, { rename: { '': '' } });
    expect(await bits(trainer)).toBe(await bits(trained));
    expect(trainer.counters.step).toBe(0);
  });

  it('a tensor with several names, by one or by both', async () => {
    const [from, to] = [tied({ seed: 1 }), tied({ seed: 2 })];
    for (const gone of ['', 'wte.weight', 'head.weight']) {
      const tensors = new Map(
        [...from.readParametersSync()].filter(([name]) => name !== gone).map(([name, t]) => [`t.${name}`, t]),
      );
      await io.writeSafetensors(at('tied'), tensors);
      expect(await to.load(at('tied'), { rename: { 't.': '' } })).toEqual({ missing: [], extra: [] });
      expect([...to.model.wte.weight.data]).toEqual([...from.model.wte.weight.data]);
      await to.load(at('tied'), { rename: { 't.': '' }, transpose: [] });
    }
  });

  it('what finds nothing, or makes two of one, is refused, and changes nothing', async () => {
    const trainer = classifier();
    const before = await bits(trainer);
    await io.writeSafetensors(at('named'), weights);
    const refused = [
      [{ rename: { 'module.': '' } }, /option rename.*no name begins with "module."/],
      [{ rename: () => 'fc2.bias' }, /are both "fc2.bias" then/],
      [{ rename: () => 3 as never }, /option rename/],
      [{ transpose: 'fc3.*' }, /option transpose: no name matches fc3/],
      [{ transpose: '*.bias' }, /has no weight of two dimensions/],
    ] as const;
    for (const [options, message] of refused) {
      await expect(trainer.load(at('named'), options)).rejects.toThrow(message);
      await expect(trainer.load(at('named'), options)).rejects.toThrow(OptionError);
    }
    expect(await bits(trainer)).toBe(before);
  });
});

describe('transpose', () => {
  it.each([
    ['a pattern', 'fc*', ['fc1.weight', 'fc2.weight']],
    ['a list', ['fc1.weight', 'fc2.*'], ['fc1.weight', 'fc2.weight']],
    ['a function', (name: string) => name === 'fc1.weight', ['fc1.weight']],
  ] as const)('%s', async (_, transpose, lying) => {
    const tensors = new Map([...weights].map(([name, t]) => [name, (lying as readonly string[]).includes(name) ? turned(t) : t]));
    await io.writeSafetensors(at('turned'), tensors);
    const trainer = classifier();
    await expect(trainer.load(at('turned'))).rejects.toThrow(CheckpointError);
    await trainer.load(at('turned'), { transpose });
    expect(await bits(trainer)).toBe(await bits(other));
  });

  it('of a shape with other tiles, by its names in the file; what still does not fit is skipped where that is asked for', async () => {
    const large = classifier({ model: new MLP([6, 75, 2]), seed: 3 });
    const tensors = new Map(
      [...large.readParametersSync()].map(([name, t]) => [`m.${name}`, t.shape.length === 2 ? turned(t) : t]),
    );
    await io.writeSafetensors(at('large'), tensors);
    const how = { rename: { 'm.': '' }, transpose: 'm.*.weight' } as const;
    const same = classifier({ model: new MLP([6, 75, 2]) });
    await same.load(at('large'), how);
    expect(await bits(same)).toBe(await bits(large));
    const { mismatched } = await classifier().load(at('large'), { ...how, skipMismatched: true });
    expect(mismatched!.map(({ name, file }) => [name, file])).toEqual([
      ['fc1.weight', [75, 6]],
      ['fc1.bias', [75]],
      ['fc2.weight', [2, 75]],
    ]);
  });
});

describe('several files with an index', () => {
  const index = 'model.safetensors.index.json';
  const write = async (
    name: string,
    map: Record<string, string> | string,
    shards: Record<string, string[]> = {},
  ): Promise<string> => {
    mkdirSync(at(name), { recursive: true });
    for (const [file, names] of Object.entries(shards)) {
      await io.writeSafetensors(join(at(name), file), new Map(names.map((n) => [n, weights.get(n)!])));
    }
    const text = typeof map === 'string' ? map : JSON.stringify({ metadata: { total_size: 616, kind: 'made' }, weight_map: map });
    writeFileSync(join(at(name), index), text);
    return join(at(name), index);
  };
  const MAP = {
    'fc2.weight': 'b.safetensors',
    'fc1.weight': 'a.safetensors',
    'fc1.bias': 'a.safetensors',
    'fc2.bias': 'b.safetensors',
  };
  const SHARDS = { 'a.safetensors': ['fc1.weight', 'fc1.bias'], 'b.safetensors': ['fc2.bias', 'fc2.weight'] };

  it('is read and loaded as one file', async () => {
    const file = await write('whole', MAP, SHARDS);
    const { tensors, metadata } = await io.readSafetensors(file);
    expect(new Map([...tensors].sort())).toEqual(new Map([...weights].sort()));
    expect(metadata).toEqual({ total_size: '616', kind: 'made' });
    const trainer = classifier();
    expect(await trainer.load(file)).toEqual({ missing: [], extra: [] });
    expect(await bits(trainer)).toBe(await bits(other));
    // Of those that are asked for alone, the files alone.
    rmSync(join(at('whole'), 'b.safetensors'));
    expect([...(await io.readSafetensors(file, { tensors: ['fc1.bias'] })).tensors.keys()]).toEqual(['fc1.bias']);
    const lost = trainer.load(file);
    await expect(lost).rejects.toThrow(/b\.safetensors: no such file, which .*index\.json names for 2 tensors/);
    await expect(lost).rejects.toMatchObject({ details: { file: join(at('whole'), 'b.safetensors'), code: 'ENOENT' } });
  });

  it('of links, as the folders of downloads have them', async () => {
    const file = await write('linked', MAP, { 'b.safetensors': SHARDS['b.safetensors'] });
    await io.writeSafetensors(at('blob'), new Map(SHARDS['a.safetensors'].map((n) => [n, weights.get(n)!])));
    symlinkSync(at('blob'), join(at('linked'), 'a.safetensors'));
    expect((await io.readSafetensors(file)).tensors.size).toBe(4);
  });

  it.each([
    ['a file elsewhere', { ...MAP, 'fc1.bias': '../a.safetensors' }, /to lie beside the index, got "\.\.\/a.safetensors"/],
    ['an absolute path', { 'fc1.bias': '/etc/passwd' }, /to lie beside the index/],
    ['a path of Windows', { 'fc1.bias': '..\\a.safetensors' }, /to lie beside the index/],
    ['a drive', { 'fc1.bias': 'c:a.safetensors' }, /to lie beside the index/],
    ['the folder', { 'fc1.bias': '..' }, /to lie beside the index/],
    ['no name', { 'fc1.bias': '' }, /to lie beside the index/],
    ['another index', { 'fc1.bias': index }, /to lie beside the index/],
    [
      'a tensor that its file has not',
      { ...MAP, 'fc1.wait': 'a.safetensors' },
      /a\.safetensors: no tensor has the name "fc1.wait"/,
    ],
    ['no text', '{"weight_map":{"a":3}}', /expected the file of "a" to be a text/],
    ['a tensor twice', '{"weight_map":{"a":"b","a":"c"}}', /has the tensor "a" twice/],
    ['a key twice', '{"weight_map":{},"weight_map":{}}', /has the key "weight_map" twice/],
    ['without a map', '{"metadata":{}}', /expected an index with weight_map, it is missing/],
    ['a list', '[]', /expected an index/],
    ['more behind it', '{"weight_map":{}}{}', /expected the end/],
    ['nothing', '', /expected an index/],
    ['cut off', '{"weight_map":{"a":"b"', /./],
  ])('%s is refused', async (name, map, message) => {
    const file = await write(name, map, SHARDS);
    await expect(io.readSafetensors(file)).rejects.toThrow(DataError);
    await expect(io.readSafetensors(file)).rejects.toThrow(message);
    await expect(classifier().load(file)).rejects.toThrow(message);
  });

  it('limits are of all files together', async () => {
    const file = await write('limited', MAP, SHARDS);
    await expect(io.readSafetensors(file, { maxBytes: 900 })).rejects.toThrow(
      /safetensors: expected at most \d+ bytes \(option maxBytes\)/,
    );
    await expect(io.readSafetensors(file, { maxBytes: 20 })).rejects.toThrow(/index.json: expected at most 20 bytes/);
    expect((await io.readSafetensors(file, { maxBytes: 4000 })).tensors.size).toBe(4);
  });

  it('a file of weights may be called .json', async () => {
    const file = at('weights.json');
    await io.writeSafetensors(file, weights);
    expect((await io.readSafetensors(file)).tensors.size).toBe(4);
    expect(await classifier().load(file)).toEqual({ missing: [], extra: [] });
  });
});

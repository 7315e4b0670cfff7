// config-docs.test.ts: the schema of configurations and the tables of docs/CONFIG.md are those of the declarations, and the schema takes what
// `gradclip train` takes.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { makeBeside, makeOptimizer, makePolicy } from '../../lib/cli/config/build.ts';
import { checkConfig } from '../../lib/cli/config/config.ts';
import { fits } from '../faces/schema.ts';
import { configPage, configSchema } from './make.ts';

const read = (file: string): string => readFileSync(file, 'utf8');
const again = 'npm run -s docs:config writes it anew';

test('the schema is that of the declarations', () => {
  expect(read('docs/config.schema.json'), again).toBe(configSchema());
});

test('a description is the text of a comment, without its asterisks and tags', () => {
  const descriptions = Array.from(configSchema().matchAll(/"description": "(.*)"/g), ([, text]) => text!);
  expect(descriptions.length).toBeGreaterThan(100);
  expect(descriptions.filter((text) => /^\*|@[a-z]/.test(text))).toEqual([]);
});

test('the tables of docs/CONFIG.md are those of the declarations', () => {
  const page = read('docs/CONFIG.md');
  expect(configPage(page), again).toBe(page);
});

const { $schema: _, title: _title, ...schema } = JSON.parse(configSchema());
const examples = readdirSync('examples').filter((name) => name.endsWith('.json'));

test.each(examples)('examples/%s fits, for the command and for an editor', (name) => {
  const config: unknown = JSON.parse(read(`examples/${name}`));
  checkConfig(config);
  expect(fits(config, schema)).toBe(true);
});

/** Blocks of the page are parts of a configuration: of which, for the keys that are needed. */
const base = {
  data: { type: 'csv', file: 't.csv' },
  model: { type: 'mlp', sizes: [8, 16, 16, 2] },
  optimizer: { type: 'sgd', lr: 0.1 },
  epochs: 1,
};
const blocks = Array.from(read('docs/CONFIG.md').matchAll(/```json\n([\s\S]*?)```/g), ([, text]) => text!);

test.each(blocks)('a block of docs/CONFIG.md is taken: %s', (text) => {
  const config: unknown = { ...base, ...(JSON.parse(text) as object) };
  const checked = checkConfig(config);
  expect(fits(config, schema)).toBe(true);
  expect(() => makePolicy(checked.clip)).not.toThrow();
  expect(() => makeOptimizer(checked.optimizer, checked.schedule)).not.toThrow();
  expect(() => makeBeside(checked)).not.toThrow();
});

test('what the command refuses, an editor marks', () => {
  const config = JSON.parse(read(`examples/${examples[0]}`));
  for (const wrong of [
    { batchSize: 1.5 },
    { batchsize: 3 },
    { optimizer: { type: 'adamX' } },
    { clip: { type: 'globalNorm', thresold: 1 } },
    { clip: { type: 'groups', rules: [] } },
    { clip: { type: 'groups', rules: [{ policy: { type: 'globalNorm', thresold: 1 } }] } },
    { clip: { type: 'groups', rules: [{ match: -1, policy: { type: 'sign' } }] } },
    { groups: [{ optimizer: { type: 'sgd' } }] },
    { groups: [{ match: '*', optimizer: { type: 'sgd', lr: 'x' } }] },
    { clamp: [1] },
    { clamp: 0 },
    { seconds: 0 },
    { epochs: '3' },
  ]) {
    expect(() => checkConfig({ ...config, ...wrong }), JSON.stringify(wrong)).toThrow();
    expect(fits({ ...config, ...wrong }, schema), JSON.stringify(wrong)).toBe(false);
  }
  expect(() => checkConfig({ ...config, $schema: './x.json' })).not.toThrow();
});

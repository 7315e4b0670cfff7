// lines.test.ts: the lines of docs/reference on policies and optimizers are run: code makes what the line of a configuration makes, which a few steps show
// bit for bit.
import { describe, expect, test } from 'vitest';
import { makeOptimizer, makePolicy } from '../../lib/cli/config/build.ts';
import { CONFIG, policies as said } from '../../lib/cli/config/config.ts';
import * as rooms from '../../lib/cli/config/rooms.ts';
import { clip, loss, ops, optim, Trainer, type TrainerOptions } from '../../lib/index.ts';
import { OPTIMIZERS } from '../../lib/optim/list.ts';
import { Place, signatures } from '../../lib/options/index.ts';
import { bits, MLP, points } from '../train/models.ts';
import { COMMON, linesOf, policies } from './lines.ts';

const data = points(48);
const place = new Place('', '', '');

/** Weights after some steps of large gradients, and what they reported. */
async function trained(options: Partial<TrainerOptions<MLP>>): Promise<{ weights: string; norms: readonly number[] }> {
  using trainer = new Trainer({
    model: new MLP([6, 8, 2]),
    loss: ({ x, y }, model) => ops.mul(loss.crossEntropy(model.forward(x), y), 20),
    optimizer: optim.sgd({ lr: 0.01, momentum: 0.9 }),
    batchSize: 8,
    seed: 5,
    ...options,
  } as TrainerOptions<MLP>);
  const norms: number[] = [];
  for await (const report of trainer.fit(data, { epochs: 2 })) norms.push(report.normAfter, report.threshold, report.scale);
  return { weights: await bits(trainer), norms };
}

const evaluated = <T>(code: string): T => new Function('clip', 'optim', `return ${code};`)(clip, optim) as T;

describe('policies', () => {
  const ways = new Set<string>();
  const withLines = [...policies].filter((name) => linesOf(`clip.${name}`).config !== null);

  test.each(withLines)('%s', async (name) => {
    const { code, config } = linesOf(`clip.${name}`);
    const inCode = await trained({ clip: evaluated<ReturnType<typeof clip.none>>(code) });
    const configured = await trained({ clip: makePolicy(said.read(JSON.parse(config!), place)) });
    expect(configured).toEqual(inCode);
    ways.add(inCode.weights);
  });

  test('differ in what they do', () => {
    expect(ways.size).toBeGreaterThan(withLines.length - 8);
  });

  test('each has both lines, but those that take a function', () => {
    const needsMore = (name: string): boolean => {
      const { positional } = signatures.get(`clip.${name}`)!;
      return (
        !(name in rooms.POLICIES.composed!) &&
        name !== 'chain' &&
        Object.values(positional).some((f) => f.required && f.schema === null)
      );
    };
    for (const name of policies) {
      const { config, why } = linesOf(`clip.${name}`);
      expect([name, config === null]).toEqual([name, needsMore(name)]);
      if (config === null) expect([name, why]).not.toEqual([name, '']);
    }
    expect(withLines.length).toBeGreaterThanOrEqual(32);
  });
});

describe('optimizers', () => {
  const names = [...Object.keys(OPTIMIZERS), 'lookahead'];
  test.each(names)('%s', async (name) => {
    const { code, config } = linesOf(`optim.${name}`);
    // muon takes matrices alone.
    const beside = name === 'muon' ? { parameters: '*.weight' } : {};
    const inCode = await trained({ optimizer: evaluated<ReturnType<typeof optim.sgd>>(code), ...beside });
    const read = CONFIG.fields.optimizer!.read(JSON.parse(config!), place) as Parameters<typeof makeOptimizer>[0];
    expect(await trained({ optimizer: makeOptimizer(read, null), ...beside })).toEqual(inCode);
  });
});

test('lines say each option that has a value to spell, once', () => {
  const rows = [...policies].map((name) => `clip.${name}`).concat(Object.keys(OPTIMIZERS).map((name) => `optim.${name}`));
  for (const path of rows) {
    const { code, config } = linesOf(path);
    if (config === null || ['clip.chain', 'clip.groups'].includes(path)) continue;
    const { positional, options } = signatures.get(path)!;
    const own = JSON.parse(config) as Record<string, unknown>;
    for (const [key, field] of Object.entries({ ...positional, ...options })) {
      const hasDefault = field.schema !== null && 'default' in field.schema;
      const shown = hasDefault && !COMMON[path.split('.')[0]!]!.includes(key);
      expect([path, key, key in own || !shown]).toEqual([path, key, true]);
      if (shown && options && key in options) expect(code.split(new RegExp(`\\b${key}: `)).length, `${path}: ${key}`).toBe(2);
    }
  }
});

// ops.test.ts: which ops have a form in ONNX, and that each computes what the op means, on all of its samples. A new op has one, or stands below.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { OPS } from '../../lib/ops/list.ts';
import { CASES } from '../parity/cases/index.ts';
import { checkOf, evaluated, normwise, sampleCheck, samplesOf } from './kit.ts';

/** Without one: what gradients, optimizers, policies and losses are made of, what the compiler makes, what is random, and what keeps states. */
const NONE = `
map scalars narrow widen
dropout noise uniform random gaussianNoise augment
recur
reluGrad geluGrad geluTanhGrad siluGrad expUnitGrad mishGrad logSigmoidGrad
windows scatterRows lookupRows takeRows putRows embeddingBagGrad
softmaxGrad logSoftmaxGrad maxPoolGrad avgPoolGrad resampleGrad batchNormGrad layerNormGrad rmsNormGrad attentionGrad
batchStatistics normalize syncedBatchNorm appendRows cachedAttention
rnnGrad lstmGrad gruGrad conv2dGradWeight conv3dGradWeight
softmaxCrossEntropy softmaxCrossEntropyGrad nll nllGrad labelWeights softmaxCrossEntropyBoth linearCrossEntropy
ctcLoss ctcLossGrad
staged residual statistic partStatistic decide unitStatistic historyQuantile historyMoments historyPush sumSegments greedyBudget kthLargest
analyze update_chain project pruneMagnitude pruneRows accumulate sync allGather ownPart syncBegin keepRows syncRows hideSamples head carry leave fail_if
`;

it('every op has a form, or is said to have none', () => {
  const without = OPS.filter((op) => !op.onnx).map(({ name }) => name);
  expect(without.sort()).toEqual(NONE.trim().split(/\s+/).sort());
});

describe.each([17, 23])('with operators of version %i', (opset) => {
  it.each(OPS.filter((op) => op.onnx).map((op) => [op.name, op] as const))('%s', (_, op) => {
    let tried = 0;
    for (const [i, sample] of samplesOf(op).entries()) {
      const check = sampleCheck(op, sample, opset);
      if (!check) continue;
      tried++;
      const found = evaluated(check.model, check.inputs);
      for (const [name, { data, shape, dtype }] of Object.entries(check.outputs)) {
        expect(found.get(name)!.shape, `sample ${i}`).toEqual(shape);
        const limit = dtype === 'f32' || dtype === 'f64' ? check.limit : 0;
        expect(normwise(found.get(name)!.data, data as ArrayLike<number>), `sample ${i}: ${name}`).toBeLessThanOrEqual(limit);
      }
    }
    expect(tried).toBeGreaterThan(0);
  });
});

/** Operators that samples of an op, and layers, come to. */
function operatorsOf(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const op of OPS) {
    if (!op.onnx) continue;
    const used = new Set<string>();
    for (const sample of samplesOf(op)) for (const node of sampleCheck(op, sample)?.model.nodes ?? []) used.add(node.op);
    found.set(op.name, used);
  }
  return found;
}

it('docs/ONNX.md tells them', () => {
  const [, page = ''] = readFileSync('docs/ONNX.md', 'utf8').split('## Operators');
  const rows = [...page.matchAll(/^\| (`[^|]+`) \| ([^|]+) \|$/gm)].map(([, ops, operators]) => {
    return [ops!.match(/[\w]+/g)!, operators!.match(/\w+/g)!] as const;
  });
  // What is too long for a line goes on in the next.
  const told = new Map<string, Set<string>>();
  for (const [ops, operators] of rows) for (const op of ops) told.set(op, new Set([...(told.get(op) ?? []), ...operators]));
  const found = operatorsOf();
  expect([...told.keys()].sort()).toEqual([...found.keys()].sort());
  const written = (all: Map<string, Set<string>>) => [...all].map(([op, used]) => `${op}: ${[...used].sort().join(' ')}`).sort();
  expect(written(told)).toEqual(written(found));
});

it('operators are those of the version that the file says', () => {
  const { model } = checkOf(CASES.activations!, 23);
  expect(model.nodes.map((n) => n.op)).toContain('Gelu');
  expect(checkOf(CASES.activations!, 17).model.nodes.map((n) => n.op)).not.toContain('Gelu');
});

// parity.test.ts: every layer and model of the parity table as a file of ONNX: computed from the file in plain loops, for another number of rows than
// it was traced with, it gives what the add-on gives; and it is hardly larger than its weights.
import { describe, expect, it } from 'vitest';
import { parseOnnx } from '../../lib/io/onnx/onnx.ts';
import { CASES } from '../parity/cases/index.ts';
import { moduleOf } from '../parity/ours.ts';
import { bytesOf, caseModel, checkOf, evaluated, normwise } from './kit.ts';

const small = Object.keys(CASES).filter((name) => !CASES[name]!.large);

describe.each([17, 23])('with operators of version %i', (opset) => {
  it.each(small)('%s', (name) => {
    const { model, inputs, outputs, limit } = checkOf(CASES[name]!, opset);
    const found = evaluated(model, inputs);
    expect([...found.keys()]).toEqual(Object.keys(outputs));
    for (const [key, { data, shape }] of Object.entries(outputs)) {
      expect(found.get(key)!.shape).toEqual(shape);
      expect(normwise(found.get(key)!.data, data), key).toBeLessThan(limit);
    }
  });
});

it.each(Object.keys(CASES))('%s: weights once, under their names, and at most 32 kB beside', (name) => {
  const module = moduleOf(CASES[name]!);
  const model = caseModel(CASES[name]!, module);
  const bytes = [...module.namedParameters()].reduce((sum, [, { size }]) => sum + 4 * size, 0);
  const file = bytesOf(model);
  expect(file.length).toBeLessThanOrEqual(1.01 * bytes + 32_768);
  const names = new Set([...module.namedParameters(), ...module.namedBuffers()].map(([path]) => path));
  const weights = model.tensors.filter((t) => !/^gradclip\.constant(_\d+)?$/.test(t.name));
  expect(weights.map((t) => t.name).filter((t) => !names.has(t))).toEqual([]);
  // And come back as they were.
  const { tensors } = parseOnnx(file);
  for (const [path, { shape, data }] of module.namedParameters()) expect(tensors.get(path), path).toMatchObject({ shape, data });
  expect(model.inputs.every(({ shape }) => shape.some((d) => typeof d !== 'number'))).toBe(true);
});

// inspect.test.ts: `gradclip inspect` on good files and on bad ones.
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { serializeSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { folder, idx, run } from './kit.ts';

const weights = serializeSafetensors(
  {
    'fc1.weight': { dtype: 'f32', shape: [3, 2], data: new Float32Array(6) },
    'fc1.bias': { dtype: 'f32', shape: [3], data: new Float32Array(3) },
    'gradclip.fc1.weight.m': { dtype: 'f32', shape: [3, 2], data: new Float32Array(6) },
  },
  { 'gradclip.seed': '7', policy: 'globalNorm(0.25)' },
);

it('lists the tensors of a checkpoint, its parameters and its metadata', async () => {
  const cwd = folder({ 'model.safetensors': weights });
  const { code, stdout, stderr } = await run(['inspect', 'model.safetensors'], { cwd });
  expect(code).toBe(0);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/fc1\.weight +F32 +\[3, 2\] +6 +24 B/);
  expect(stdout).toContain('9 parameters in 2 tensors, 60 B in all');
  expect(stdout).toMatch(/policy +globalNorm\(0\.25\)/);
});

it('gives the same as JSON', async () => {
  const cwd = folder({ 'model.safetensors': weights });
  const [result, ...more] = (await run(['inspect', '--json', 'model.safetensors'], { cwd })).json();
  expect(more).toEqual([]);
  expect(result).toMatchObject({ format: 'safetensors', parameters: 9, bytes: 60, metadata: { 'gradclip.seed': '7' } });
  expect(result!.tensors).toContainEqual({ name: 'fc1.bias', dtype: 'F32', shape: [3], elements: 3, bytes: 12 });
});

it('reads IDX, plain and gzip', async () => {
  const images = idx([2, 3, 3], new Uint8Array(18));
  const cwd = folder({ 'images.idx': images, 'images.gz': gzipSync(images) });
  for (const name of ['images.idx', 'images.gz']) {
    const { code, stdout } = await run(['inspect', name], { cwd });
    expect(code).toBe(0);
    expect(stdout).toMatch(/u8 +\[2, 3, 3\] +18 +18 B/);
  }
  const [result] = (await run(['inspect', '--json', 'images.gz'], { cwd })).json();
  expect(result).toMatchObject({ format: 'idx', dtype: 'u8', shape: [2, 3, 3], elements: 18, bytes: 18 });
});

it.each([
  ['missing', null, 'no such file'],
  ['empty', new Uint8Array(0), 'offset 0'],
  ['cut short', weights.subarray(0, 40), 'offset 0'],
  ['cut in its data', weights.subarray(0, weights.length - 1), 'offset'],
  ['a text', Buffer.from('hello, this is not a model'), 'offset 0'],
  ['an IDX cut short', idx([2, 3], new Uint8Array(5)), 'offset'],
  ['corrupt gzip', gzipSync(idx([9], new Uint8Array(9))).subarray(0, 20), 'gzip'],
])('exits with 4 and names the file where it is %s', async (_, content, message) => {
  const cwd = folder(content === null ? {} : { file: content });
  const { code, stdout, stderr } = await run(['inspect', 'file'], { cwd });
  expect(code).toBe(4);
  expect(stdout).toBe('');
  expect(stderr).toContain(`${cwd}/file: `);
  expect(stderr).toContain(message);
});

// secret.test.ts: a state of random bits of the system is in no file and no copy, and has new ones wherever a trainer goes back.
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import type { ClipPolicy } from '../../../lib/clip/clip.ts';
import { guard, optim } from '../../../lib/index.ts';
import type { State } from '../../../lib/ir/graph.ts';
import { drawSecretKey, SECRET_KEY } from '../../../lib/ops/gradient/gaussian-noise.ts';
import { cast, sum } from '../../../lib/ops/index.ts';
import { type ClassifierOptions, classifier, points } from '../models.ts';

const data = points(48);
/** All keys that were ever drawn. */
const drawn: Buffer[] = [];
beforeEach(() => void drawn.splice(0));
const KEY: State = {
  name: 'clip.key',
  type: SECRET_KEY,
  secret: true,
  init: (out) => {
    drawSecretKey(out);
    drawn.push(Buffer.from(out.slice().buffer));
  },
};
/** A policy that does nothing with a secret key, and says by its threshold which one it has. */
const secretly: ClipPolicy = {
  name: 'secretly',
  maxSkips: 0,
  build: ({ graph }) => ({
    stages: [],
    skip: null,
    measure: false,
    report: { threshold: sum(cast(graph.state(KEY), 'f64')) },
  }),
};
const make = (options: ClassifierOptions = {}) => classifier({ clip: secretly, ...options });
type Made = ReturnType<typeof make>;
/** Which key the next step has. */
const keyOf = (trainer: Made): number =>
  trainer.stepSync({ x: { data: data.x.data.subarray(0, 48), shape: [8, 6] }, y: data.y.subarray(0, 8) }).threshold;
const place = (name: string): string => join(mkdtempSync(join(tmpdir(), 'gradclip-')), name);
function checkKeyless(bytes: Uint8Array): void {
  const file = Buffer.from(bytes);
  expect(drawn.length).toBeGreaterThan(0);
  for (const key of drawn) for (const half of [key.subarray(0, 16), key.subarray(16)]) expect(file.includes(half)).toBe(false);
  const header = file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString();
  expect(header).toContain('optim.');
  for (const name of ['clip.key', 'undefined']) expect(header).not.toContain(name);
}

it('each trainer has its own, and keeps it while it goes on', async () => {
  const [trainer, other] = [make(), make()];
  const key = keyOf(trainer);
  expect(keyOf(other)).not.toBe(key);
  await trainer.fit(data, { epochs: 2 });
  expect(keyOf(trainer)).toBe(key);
  trainer.change({ lr: 1e-3 });
  expect(keyOf(trainer)).toBe(key);
});

it('is in no checkpoint, snapshot or export, and another one where a trainer goes back to them', async () => {
  const trainer = make();
  const keys = [keyOf(trainer)];
  const file = place('model.safetensors');
  await trainer.save(file);
  checkKeyless(readFileSync(file));
  checkKeyless((await trainer.save()) as never);
  const snapshot = trainer.snapshotSync();
  await trainer.load(file);
  keys.push(keyOf(trainer));
  trainer.restoreSync(snapshot);
  keys.push(keyOf(trainer));
  await trainer.restore(snapshot);
  keys.push(keyOf(trainer));
  const fit = { epochs: 3, checkpoint: { file: place('fit.safetensors'), every: { steps: 2 } } } as const;
  await trainer.fit(data, fit);
  expect(keyOf(trainer)).toBe(keys.at(-1));
  checkKeyless(readFileSync(fit.checkpoint.file));
  const resumed = make();
  await resumed.fit(data, { ...fit, epochs: 4, resume: 'auto' });
  keys.push(keyOf(resumed));
  expect(new Set(keys).size).toBe(keys.length);
});

it('is in no copy that a roll-back goes back to, nor in a checkpoint with that copy', async () => {
  const keys: number[] = [];
  const trainer = make({ guards: [guard.loss({ max: 5, action: 'rollback' })], rollback: { every: 2, limit: 9 } });
  const bad = { ...data, x: { ...data.x, data: data.x.data.slice().fill(1e4, 144, 192) } };
  const checkpoint = { file: place('rolled.safetensors'), every: { steps: 1 } };
  const result = await trainer.fit(bad, {
    ...{ steps: 12, chunkSteps: 1, shuffle: false, checkpoint },
    callbacks: [{ onSteps: (steps) => void keys.push(...Array.from(steps, ({ threshold }) => threshold)) }],
  });
  const back = result.guards!.filter(({ action }) => action === 'rollback').length;
  expect(back).toBeGreaterThan(1);
  expect(new Set(keys).size).toBe(1 + back);
  const bytes = readFileSync(checkpoint.file);
  checkKeyless(bytes);
  expect(bytes.includes('snapshot')).toBe(true);
});

it('is in no state of an optimizer alone', () => {
  const bound = optim.adam().bind([new Float32Array(3)], { clip: secretly });
  const step = (): number => bound.step([new Float32Array(3)]).threshold;
  const [before, key] = [bound.state(), step()];
  expect(step()).toBe(key);
  expect(Object.keys(before.tensors).filter((name) => name.startsWith('clip'))).toEqual([]);
  bound.load(before);
  expect(step()).not.toBe(key);
});
